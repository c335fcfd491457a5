"""A version is rewritten, checked and swapped; what fails leaves the last good one as it is."""

from __future__ import annotations

import asyncio
import logging
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

import edge_agent.deployment as module
from edge_agent.check_settings import CheckSettings
from edge_agent.deployment import Deployment
from edge_agent.effects import Model
from edge_agent.errors import StorageError
from edge_agent.examples import ExampleStore, HoldBack, truth_of
from edge_agent.inference import Candidate, Inference, candidate_of
from edge_agent.installed import InstalledFile
from edge_agent.windows import Window
from models.artifact import Artifact, load_artifact, zoo_names
from models.int8 import Int8Model, rewrite
from models.normalisation import Normalisation


class Bench:
    """A deployment on a folder; what infers afterwards, and what was said of it."""

    def __init__(self, folder: Path, artifact: Artifact, check: CheckSettings) -> None:
        self.artifact = artifact
        self.inference = Inference(artifact)
        self.file = InstalledFile(folder / "installed.model", artifact)
        self.said: list[int | None] = []
        self.examples = folder / "examples.sqlite"
        self.deployment = Deployment(
            artifact, self.inference, self.file, check, self.open_examples, self.said.append
        )

    def open_examples(self) -> ExampleStore:
        spec = self.artifact.spec
        return ExampleStore(self.examples, spec.input_shape, 500, truth_of(spec), HoldBack(0.5, 50))

    def install(self, *models: Model) -> None:
        async def run() -> None:
            for model in models:
                self.deployment.want(model)
                await self.deployment.settle()

        asyncio.run(run())


def version(artifact: Artifact, number: int, seed: int = 0) -> Model:
    known = Normalisation(
        (0.0,) * len(artifact.spec.channels), (1.0,) * len(artifact.spec.channels)
    )
    noise = np.random.default_rng(seed).normal(0, 0.02, artifact.spec.parameters)
    vector = (artifact.initial_parameters() + noise).astype(np.float32)
    return Model(bytes([number]) * 32, number, known, vector)


def broken(artifact: Artifact, model: Model) -> bytes:
    """A rewrite gone wrong: the graph of a model whose classes are turned about."""
    vector = model.parameters.copy()
    block = artifact.spec.block("scores.weight")
    vector[block.slice] *= -1
    return rewrite(artifact, vector)


@pytest.mark.parametrize("name", zoo_names())
def test_every_model_is_brought_into_use_and_is_there_after_a_power_cut(
    name: str, tmp_path: Path
) -> None:
    artifact = load_artifact(name)
    bench = Bench(tmp_path, artifact, CheckSettings())
    bench.install(version(artifact, 3))
    assert bench.said == [3]
    x = np.random.default_rng(0).normal(size=(4, *artifact.spec.input_shape)).astype(np.float32)
    expected = candidate_of(artifact, version(artifact, 3)).runner.infer(x)

    later = Bench(tmp_path, artifact, CheckSettings())
    later.deployment.recover()
    assert later.inference.version == 3
    found = later.file.load()
    assert found is not None
    assert found.runner.infer(x).tobytes() == expected.tobytes()


def test_a_version_that_fails_is_not_used_and_the_last_good_one_goes_on(
    artifact: Artifact,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench(tmp_path, artifact, CheckSettings())
    bench.install(version(artifact, 1))

    def rewritten_wrongly(of: Artifact, model: Model) -> Candidate:
        graph = broken(of, model)
        runner = Int8Model(graph, of.spec)
        return Candidate(model.version, model.digest, model.normalisation, graph, runner)

    with monkeypatch.context() as patched, caplog.at_level(logging.ERROR):
        patched.setattr(module, "candidate_of", rewritten_wrongly)
        bench.install(version(artifact, 2))
    assert bench.inference.version == 1
    assert bench.said == [1, 1]
    assert "version 2 failed its check, version 1 goes on" in caplog.text
    kept = bench.file.load()
    assert kept is not None
    assert kept.version == 1
    # The next good one passes.
    bench.install(version(artifact, 3))
    assert bench.inference.version == 3


def test_labels_of_what_was_held_back_decide(
    artifact: Artifact, store: ExampleStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(tmp_path, artifact, CheckSettings(min_examples=8))
    x, y = store.batch(store.ids(artifact.spec.classes), artifact.spec.classes)
    with closing(bench.open_examples()) as examples:
        for number, (values, kind) in enumerate(zip(x, y, strict=True)):
            window = Window("watch", number, number + 1, values, 0.0)
            examples.add(window, artifact.spec.classes[kind])
        ids, known = examples.held_back(artifact.spec.classes)
        assert known.all()
        assert 8 <= len(ids) <= 50
    with caplog.at_level(logging.INFO):
        bench.install(version(artifact, 1))
    assert f"of the float path on {len(ids)} examples" in caplog.text


def test_a_model_that_cannot_be_rewritten_is_refused(
    artifact: Artifact, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(tmp_path, artifact, CheckSettings())
    known = version(artifact, 1).normalisation
    bench.install(Model(b"x" * 32, 1, known, np.zeros(3, np.float32)))
    assert bench.inference.version is None
    assert "nothing infers yet" in caplog.text


def test_the_loop_goes_on_while_a_version_is_checked(artifact: Artifact, tmp_path: Path) -> None:
    bench = Bench(tmp_path, artifact, CheckSettings(min_examples=256))

    async def scenario() -> int:
        bench.deployment.want(version(artifact, 1))
        settling = asyncio.create_task(bench.deployment.settle())
        turns = 0
        while not settling.done():
            turns += 1
            await asyncio.sleep(0)
        return turns

    assert asyncio.run(scenario()) > 50


def test_the_same_model_is_not_checked_twice(artifact: Artifact, tmp_path: Path) -> None:
    bench = Bench(tmp_path, artifact, CheckSettings())
    bench.install(version(artifact, 1), version(artifact, 1))
    assert bench.said == [1]


@pytest.mark.parametrize("damage", ["cut", "flipped", "nonsense"])
def test_a_damaged_file_is_named_and_passed(
    artifact: Artifact, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(tmp_path, artifact, CheckSettings())
    bench.install(version(artifact, 1))
    path = tmp_path / "installed.model"
    data = bytearray(path.read_bytes())
    if damage == "cut":
        del data[len(data) // 2 :]
    elif damage == "flipped":
        data[-100] ^= 1
    else:
        data[:] = b"nonsense"
    path.write_bytes(data)
    with pytest.raises(StorageError, match=r"installed\.model"):
        bench.file.load()
    later = Bench(tmp_path, artifact, CheckSettings())
    later.deployment.recover()
    assert later.inference.version is None
    assert "installed.model" in caplog.text
    later.install(version(artifact, 1))
    assert later.inference.version == 1


def test_another_artifacts_file_is_of_no_use(artifact: Artifact, tmp_path: Path) -> None:
    Bench(tmp_path, artifact, CheckSettings()).install(version(artifact, 1))
    other = load_artifact("shoulder-dscnn1d")
    assert InstalledFile(tmp_path / "installed.model", other).load() is None


def test_a_file_that_cannot_be_written_leaves_the_version_in_use(
    artifact: Artifact, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(tmp_path, artifact, CheckSettings())
    (tmp_path / "installed.model.part").mkdir()
    bench.install(version(artifact, 1))
    assert bench.inference.version == 1
    assert "version 1 is not kept" in caplog.text
    assert not (tmp_path / "installed.model").exists()
