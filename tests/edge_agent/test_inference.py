"""Full-int8 inference of the installed model on live windows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from broker.protocol.cohort import Cohort
from broker.protocol.messages import BlobReference, Plan, PlanKind, TrainingPlan
from edge_agent.alerts import ANOMALY
from edge_agent.effects import Model
from edge_agent.examples import ExampleStore
from edge_agent.inference import Inference, candidate_of
from edge_agent.trainer import Trainer
from edge_agent.windows import Window
from models.artifact import Artifact, load_artifact
from models.errors import ModelError
from models.normalisation import Normalisation
from models.trainable import TrainableModel

KNOWN = Normalisation((5.0,) * 6, (1.5,) * 6)


def model(artifact: Artifact, version: int = 3) -> Model:
    return Model(b"d" * 32, version, KNOWN, artifact.initial_parameters())


@pytest.fixture
def window(store: ExampleStore, artifact: Artifact) -> Window:
    x, _ = store.batch(store.ids(None)[:1], artifact.spec.classes)
    return Window("watch", 100, 200, x[0], 0.0)


def test_before_a_version_is_installed_nothing_is_said(artifact: Artifact, window: Window) -> None:
    inference = Inference(artifact)
    assert inference.version is None
    assert inference.detect(window) is None


def test_a_window_gets_a_class_its_probability_and_the_version(
    artifact: Artifact, window: Window
) -> None:
    inference = Inference(artifact)
    inference.use(candidate_of(artifact, model(artifact)))
    found = inference.detect(window)
    assert found is not None
    assert (found.sensor, found.start_ns, found.end_ns) == ("watch", 100, 200)
    assert found.what in artifact.spec.classes
    assert 1 / len(artifact.spec.classes) <= found.score <= 1
    assert found.version == inference.version == 3


def test_what_was_trained_is_what_infers(
    artifact: Artifact, store: ExampleStore, trained_on: Callable[[], np.ndarray]
) -> None:
    inference = Inference(artifact)
    inference.use(candidate_of(artifact, Model(b"d" * 32, 1, KNOWN, trained_on())))
    x, y = store.batch(store.ids(artifact.spec.classes), artifact.spec.classes)
    found = [inference.detect(Window("watch", 0, 1, row, 0.0)) for row in x]
    right = [
        f is not None and f.what == artifact.spec.classes[i] for f, i in zip(found, y, strict=True)
    ]
    assert np.mean(right) > 0.9


@pytest.fixture
def trained_on(artifact: Artifact, store: ExampleStore) -> Callable[[], np.ndarray]:
    plan = Plan(
        1,
        "ward.1",
        PlanKind.TRAIN,
        b"a" * 32,
        0,
        BlobReference(b"d" * 32, 1, 1),
        Cohort.of(("g1",)),
        "q8",
        TrainingPlan(20, 0.05, 0.9, 0.0),
        10,
        2e6,
        7,
    )

    def train() -> np.ndarray:
        base = artifact.initial_parameters()
        trainer = Trainer(TrainableModel(artifact), store)
        found = trainer.train(plan, base, KNOWN, np.random.default_rng(0))
        assert found is not None
        return base + found.delta

    return train


def test_a_version_that_cannot_be_installed_leaves_the_one_before(
    artifact: Artifact, window: Window
) -> None:
    inference = Inference(artifact)
    inference.use(candidate_of(artifact, model(artifact, 3)))
    before = inference.detect(window)
    broken = Model(b"e" * 32, 4, KNOWN, np.zeros(3, np.float32))
    with pytest.raises(ModelError):
        candidate_of(artifact, broken)
    assert inference.version == 3
    assert inference.detect(window) == before


def test_an_autoencoder_says_how_far_off_a_window_is() -> None:
    artifact = load_artifact("shoulder-autoencoder")
    channels = len(artifact.spec.channels)
    normalisation = Normalisation((0.0,) * channels, (1.0,) * channels)
    inference = Inference(artifact)
    found = Model(b"d" * 32, 1, normalisation, artifact.initial_parameters())
    inference.use(candidate_of(artifact, found))
    calm, wild = (
        inference.detect(Window("w", 0, 1, np.full(artifact.spec.input_shape, v, np.float32), 0.0))
        for v in (0.0, 20.0)
    )
    assert calm is not None
    assert wild is not None
    assert calm.what == wild.what == ANOMALY
    assert wild.score > 10 * calm.score + 10


def test_a_forecast_is_said_in_the_sensors_unit() -> None:
    artifact = load_artifact("glucose-forecast")
    inference = Inference(artifact)
    # Weights of zero answer 0, which is the channel's mean.
    still = artifact.initial_parameters()
    still[: artifact.spec.block("input.range").offset] = 0
    found = Model(b"d" * 32, 1, Normalisation((140.0,), (50.0,)), still)
    inference.use(candidate_of(artifact, found))
    said = inference.detect(Window("cgm", 0, 1, np.full((24, 1), 90, np.float32), 0.0))
    assert said is not None
    assert (said.what, said.score) == ("glucose+6", 140.0)
