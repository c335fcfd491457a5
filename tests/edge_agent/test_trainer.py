"""Local training, with the real graph."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from broker.protocol.cohort import Cohort
from broker.protocol.messages import BlobReference, Plan, PlanKind, TrainingPlan
from edge_agent import local_run
from edge_agent.checkpoints import CheckpointStore
from edge_agent.errors import TrainingError
from edge_agent.examples import ExampleStore
from edge_agent.trainer import Trained, Trainer
from edge_agent.windows import Window
from models.artifact import Artifact, load_artifact
from models.normalisation import ChannelSums, Normalisation
from models.trainable import TrainableModel

KNOWN = Normalisation((5.0,) * 6, (1.5,) * 6)


def plan(**training: float) -> Plan:
    told = {"local_epochs": 1, "learning_rate": 0.05, "momentum": 0.9, "mu": 0.0} | training
    return Plan(
        1,
        "ward.1",
        PlanKind.TRAIN,
        b"a" * 32,
        0,
        BlobReference(b"d" * 32, 1, 1),
        Cohort.of(("g1",)),
        "q8",
        TrainingPlan(**told),  # type: ignore[arg-type]
        10,
        2e6,
        7,
    )


@pytest.fixture(scope="module")
def model(artifact: Artifact) -> TrainableModel:
    return TrainableModel(artifact)


@pytest.fixture
def trainer(model: TrainableModel, store: ExampleStore) -> Trainer:
    return Trainer(model, store)


def trained(
    trainer: Trainer,
    artifact: Artifact,
    asked: Plan,
    seed: int = 0,
    stopped: Callable[[], bool] = lambda: False,
) -> Trained | None:
    base = artifact.initial_parameters()
    return trainer.train(asked, base, KNOWN, np.random.default_rng(seed), stopped)


def test_the_loss_falls_and_the_delta_is_what_was_learnt(
    trainer: Trainer, artifact: Artifact
) -> None:
    short = trained(trainer, artifact, plan())
    long = trained(trainer, artifact, plan(local_epochs=12))
    assert short is not None
    assert long is not None
    assert long.loss < 0.5 * short.loss
    assert long.num_examples == short.num_examples == 70
    assert long.delta.shape == (artifact.spec.parameters,)
    assert long.delta.dtype == np.float32
    assert 0 < np.abs(short.delta).max() < np.abs(long.delta).max()


def test_the_seed_decides_and_nothing_that_was_trained_before(
    trainer: Trainer, artifact: Artifact
) -> None:
    first, again, other = (trained(trainer, artifact, plan(), seed) for seed in (1, 1, 2))
    assert first is not None
    assert again is not None
    assert other is not None
    assert np.array_equal(first.delta, again.delta)
    assert first.loss == again.loss
    assert not np.array_equal(first.delta, other.delta)


def test_without_a_learning_rate_no_weight_moves(trainer: Trainer, artifact: Artifact) -> None:
    still = trained(trainer, artifact, plan(learning_rate=0.0))
    assert still is not None
    weights = [block for block in artifact.spec.layout if not block.name.endswith(".range")]
    assert weights
    for block in weights:
        assert not still.delta[block.slice].any()


def test_turned_and_scaled_windows_train_other_weights_by_the_seed(
    trainer: Trainer, artifact: Artifact
) -> None:
    plain = trained(trainer, artifact, plan(), 1)
    first, again, other = (
        trained(trainer, artifact, plan(rotation_deg=15.0, scaling=0.1), seed) for seed in (1, 1, 2)
    )
    assert plain is not None
    assert first is not None
    assert again is not None
    assert other is not None
    assert np.array_equal(first.delta, again.delta)
    assert not np.array_equal(first.delta, other.delta)
    assert not np.array_equal(first.delta, plain.delta)


def test_proximity_holds_the_weights_back(trainer: Trainer, artifact: Artifact) -> None:
    free = trained(trainer, artifact, plan(local_epochs=4))
    held = trained(trainer, artifact, plan(local_epochs=4, mu=5.0))
    assert free is not None
    assert held is not None
    weights = np.concatenate(
        [
            np.arange(b.offset, b.offset + b.size)
            for b in artifact.spec.layout
            if not b.name.endswith(".range")
        ]
    )
    assert np.linalg.norm(held.delta[weights]) < 0.8 * np.linalg.norm(free.delta[weights])


@pytest.mark.parametrize("steps", [0, 1, 4])
def test_it_stops_between_two_steps(trainer: Trainer, artifact: Artifact, steps: int) -> None:
    asked = count()
    stopped = trained(trainer, artifact, plan(local_epochs=5), 0, lambda: next(asked) >= steps)
    assert stopped is None
    assert next(asked) == steps + 1


@pytest.mark.parametrize("steps", [0, 2, 3, 7, 14])
def test_work_that_was_paused_ends_as_if_it_had_not_been(
    model: TrainableModel, store: ExampleStore, artifact: Artifact, steps: int
) -> None:
    asked = plan(local_epochs=5, mu=0.5, rotation_deg=20.0, scaling=0.1)
    whole = trained(Trainer(model, store), artifact, asked)
    with closing(CheckpointStore(":memory:")) as kept:
        paused = Trainer(model, store, kept)
        number = count()
        assert trained(paused, artifact, asked, 0, lambda: next(number) >= steps) is None
        store.add(Window("watch", -9, -8, np.ones((200, 6), np.float32), 0.0), "PEN")
        resumed = trained(paused, artifact, asked)
    assert whole is not None
    assert resumed is not None
    # Rounding to int8 magnifies the last bits; without momentum or anchor it would be 20 % or more.
    assert np.linalg.norm(resumed.delta - whole.delta) < 2e-3 * np.linalg.norm(whole.delta)
    assert resumed.loss == pytest.approx(whole.loss, rel=1e-2)
    assert (resumed.steps, resumed.num_examples) == (15, 70)


class KilledError(Exception):
    """The process ends here."""


def test_work_that_was_killed_goes_on_from_its_last_checkpoint(
    model: TrainableModel,
    store: ExampleStore,
    artifact: Artifact,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(local_run, "STEPS_PER_CHECKPOINT", 50)
    asked = plan(local_epochs=24)
    number = count()

    def killed() -> bool:
        if next(number) == 61:
            raise KilledError
        return False

    with closing(CheckpointStore(tmp_path / "t")) as kept, pytest.raises(KilledError):
        trained(Trainer(model, store, kept), artifact, asked, 0, killed)
    with closing(CheckpointStore(tmp_path / "t")) as kept:
        number = count()
        resumed = trained(Trainer(model, store, kept), artifact, asked, 0, lambda: next(number) < 0)
    assert resumed is not None
    assert resumed.steps == 72
    assert next(number) == 22


def test_anothers_checkpoint_is_of_no_use(
    model: TrainableModel, store: ExampleStore, artifact: Artifact
) -> None:
    first = trained(Trainer(model, store), artifact, plan())
    with closing(CheckpointStore(":memory:")) as kept:
        trainer = Trainer(model, store, kept)
        assert trained(trainer, artifact, replace(plan(), seed=8), 0, lambda: True) is None
        again = trained(trainer, artifact, plan())
    assert first is not None
    assert again is not None
    assert np.array_equal(first.delta, again.delta)


def test_too_few_examples_are_said(trainer: Trainer, artifact: Artifact) -> None:
    asked = replace(plan(), min_examples=71)
    with pytest.raises(TrainingError, match="70 examples, the plan asks for 71"):
        trained(trainer, artifact, asked)
    with pytest.raises(TrainingError):
        trainer.sum(asked)


def test_no_examples_are_too_few_whatever_the_plan_says(
    model: TrainableModel, artifact: Artifact
) -> None:
    asked = replace(plan(), min_examples=0)
    with (
        closing(ExampleStore(":memory:", artifact.spec.input_shape, 10)) as empty,
        pytest.raises(TrainingError),
    ):
        trained(Trainer(model, empty), artifact, asked)


def test_a_loss_that_diverges_is_not_sent(trainer: Trainer, artifact: Artifact) -> None:
    with pytest.raises(TrainingError, match="diverged"):
        trained(trainer, artifact, plan(learning_rate=1000.0, local_epochs=20))


class Vanishing:
    """A store that lets go of some examples while they are trained on."""

    def __init__(self, store: ExampleStore, gone: set[int]) -> None:
        self._store = store
        self._gone = gone

    def ids(self, labels):  # type: ignore[no-untyped-def]
        return self._store.ids(labels)

    def batch(self, ids, labels):  # type: ignore[no-untyped-def]
        kept = np.array([i for i in ids.tolist() if i not in self._gone], np.int64)
        return self._store.batch(kept, labels)


def test_examples_that_are_let_go_of_meanwhile_cost_only_themselves(
    model: TrainableModel, store: ExampleStore, artifact: Artifact
) -> None:
    order = np.random.default_rng(0).permutation(store.ids(artifact.spec.classes))
    last_batch = set(order[64:].tolist())
    assert last_batch
    found = trained(Trainer(model, Vanishing(store, last_batch)), artifact, plan())
    assert found is not None
    assert np.isfinite(found.loss)


def test_all_examples_gone_is_said(
    model: TrainableModel, store: ExampleStore, artifact: Artifact
) -> None:
    everything = set(store.ids(None).tolist())
    with pytest.raises(TrainingError, match="let go of"):
        trained(Trainer(model, Vanishing(store, everything)), artifact, plan())


def test_sums_are_those_of_all_labelled_readings(
    trainer: Trainer, store: ExampleStore, artifact: Artifact
) -> None:
    summed = trainer.sum(plan())
    x, _ = store.batch(store.ids(artifact.spec.classes), artifact.spec.classes)
    assert np.allclose(summed.sums, ChannelSums.of(x).to_vector(), rtol=1e-9)
    assert summed.num_examples == 70


def test_an_autoencoder_trains_on_unlabelled_windows() -> None:
    found = load_artifact("shoulder-autoencoder")
    generator = np.random.default_rng(0)
    with closing(ExampleStore(":memory:", found.spec.input_shape, 100)) as store:
        for number in range(40):
            values = generator.normal(5, 1.5, found.spec.input_shape).astype(np.float32)
            store.add(Window("watch", number, number + 1, values, 0.0), None)
        channels = len(found.spec.channels)
        normalisation = Normalisation((5.0,) * channels, (1.5,) * channels)
        trainer = Trainer(TrainableModel(found), store)
        result = trainer.train(
            plan(), found.initial_parameters(), normalisation, generator, lambda: False
        )
    assert result is not None
    assert result.num_examples == 40
    assert 0 < result.loss < 10
