"""What a federation is measured against: the same network, trained without one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from broker.aggregator.settings import TrainingSettings
from broker.protocol.cohort import Cohort
from broker.protocol.messages import BlobReference, Plan, PlanKind
from edge_agent.trainer import Trainer
from models.artifact import Artifact
from models.metrics import rmse
from models.normalisation import ChannelSums
from models.spec import CLASSIFICATION, REGRESSION, ModelSpec
from models.trainable import TrainableModel
from perfuse.simulation.dataset import Dataset, Split
from perfuse.simulation.scoring import Score, mean_score, score_model, score_predictions


class _Arrays:
    """Examples in memory, as a trainer reads them."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset

    def ids(self, labels: object) -> NDArray[np.int64]:
        del labels
        return np.arange(len(self._dataset.y), dtype=np.int64)

    def batch(
        self, ids: NDArray[np.int64], labels: object
    ) -> tuple[NDArray[np.float32], NDArray[Any]]:
        del labels
        return self._dataset.x[ids], self._dataset.y[ids]


def baselines(
    artifact: Artifact,
    dataset: Dataset,
    split: Split,
    training: TrainingSettings,
    rounds: int,
    seed: int,
) -> dict[str, dict[str, float | None]]:
    """Score the majority class, each client alone, and all training clients pooled.

    Each trains for as many epochs, with the same learning rates and augmentation, as a gateway does
    in ``rounds`` rounds. Normalisation comes from what each may see: its own examples, or the pool.
    """
    budget = _Budget(training, rounds, seed)
    model = TrainableModel(artifact)
    heldout = dataset.of(split.heldout)
    pool = dataset.of(split.training)
    scores = {
        "local_only": mean_score(
            [
                _train(model, artifact, dataset.of((client,)), heldout, budget)
                for client in split.training
            ]
        ),
        "pooled": _train(model, artifact, pool, heldout, budget),
    }
    if artifact.spec.task == CLASSIFICATION:
        scores["majority"] = _majority(artifact, pool, heldout)
    if artifact.spec.task == REGRESSION and len(artifact.spec.input_shape) == 2:
        scores["last_value"] = _last_value(artifact.spec, heldout)
    return {name: score.as_dict() for name, score in sorted(scores.items())}


def _majority(artifact: Artifact, pool: Dataset, heldout: Dataset) -> Score:
    classes = len(artifact.spec.classes)
    most = int(np.bincount(pool.y, minlength=classes).argmax())
    return score_predictions(heldout.y, np.full(len(heldout.y), most, np.int64), classes)


@dataclass(frozen=True, slots=True)
class _Budget:
    training: TrainingSettings
    rounds: int
    seed: int

    def plan(self, artifact: Artifact, done: int) -> Plan:
        digest = bytes.fromhex(artifact.spec.digest)
        training = replace(self.training, mu=0.0, scaffold=False)  # nobody to stay close to
        return Plan(
            epoch=0,
            plan="baseline",
            kind=PlanKind.TRAIN,
            artifact=digest,
            version=done,
            model=BlobReference(digest, 1, 1),  # nothing is sent
            cohort=Cohort(),
            codec="none",
            training=training.plan(done, self.rounds),
            min_examples=1,
            deadline_unix_s=0.0,
            seed=self.seed,
        )


def _train(
    model: TrainableModel, artifact: Artifact, mine: Dataset, heldout: Dataset, budget: _Budget
) -> Score:
    parameters = artifact.initial_parameters()
    normalisation = artifact.spec.normalisation or ChannelSums.of(mine.x).normalisation()
    trainer = Trainer(model, _Arrays(mine))
    for done in range(budget.rounds):
        generator = np.random.default_rng((budget.seed, done))
        trained = trainer.train(budget.plan(artifact, done), parameters, normalisation, generator)
        assert trained is not None  # nothing stops it
        parameters = parameters + trained.delta
    return score_model(model, parameters, normalisation, heldout.x, heldout.y)


def _last_value(spec: ModelSpec, heldout: Dataset) -> Score:
    """Nothing changes: a target is its channel's last reading."""
    names = [channel.name for channel in spec.channels]
    places = [names.index(target.channel) for target in spec.targets]
    return Score(rmse=rmse(heldout.y, heldout.x[:, -1, places]))
