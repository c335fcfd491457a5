"""What both sides of `benchmarks/intermittent.py` train: data, model, local work, and the score."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from broker.protocol.cohort import Cohort
from broker.protocol.messages import BlobReference, Plan, PlanKind, TrainingPlan
from edge_agent.effects import Model, StartWork
from edge_agent.trainer import Trained
from models.artifact import Artifact, load_artifact
from models.normalisation import ChannelSums, Normalisation
from models.trainable import TrainableModel
from perfuse.simulation.dataset import Dataset, load_dataset
from perfuse.simulation.scoring import score_model
from perfuse.simulation.workforce import Bench, Job

MODEL = "shoulder-cnn1d"
_NO_DIGEST = bytes(32)
_NO_DEADLINE_S = 1e10


@dataclass(frozen=True)
class Task:
    """The first ``clients`` subjects train; the others' windows are what the model is scored on."""

    data: str
    clients: int
    seed: int
    local_epochs: int = 5
    learning_rate: float = 0.04
    momentum: float = 0.9
    rotation_deg: float = 15.0
    scaling: float = 0.1

    @staticmethod
    def read(path: Path) -> Task:
        """Read what :meth:`write` has written."""
        return Task(**json.loads(path.read_text()))

    def write(self, path: Path) -> None:
        """Write it for another process."""
        path.write_text(json.dumps(asdict(self)))

    @cached_property
    def artifact(self) -> Artifact:
        """The model's graphs."""
        return load_artifact(MODEL)

    @cached_property
    def dataset(self) -> Dataset:
        """All subjects' windows."""
        return load_dataset(Path(self.data), "subject", self.artifact.spec)

    @property
    def gateways(self) -> tuple[str, ...]:
        """The subjects that train."""
        return self.dataset.clients[: self.clients]

    @property
    def initial(self) -> NDArray[np.float32]:
        """Where training begins, float32[P]."""
        return self.artifact.initial_parameters()

    @cached_property
    def normalisation(self) -> Normalisation:
        """Of all training windows."""
        return ChannelSums.of(self.dataset.of(self.gateways).x).normalisation()

    @cached_property
    def _scorer(self) -> TrainableModel:
        return TrainableModel(self.artifact)

    def macro_f1(
        self, parameters: NDArray[np.float32], normalisation: Normalisation | None = None
    ) -> float:
        """Score parameters float32[P] on the subjects that do not train."""
        held = self.dataset.of(self.dataset.clients[self.clients :])
        norm = normalisation or self.normalisation
        return score_model(self._scorer, parameters, norm, held.x, held.y).macro_f1 or 0.0

    def train(self, gateway: str, number: int, parameters: NDArray[np.float32]) -> Trained:
        """Do a gateway's work of round ``number`` from float32[P], as an agent does it."""
        training = TrainingPlan(
            self.local_epochs,
            self.learning_rate,
            self.momentum,
            0.0,
            rotation_deg=self.rotation_deg,
            scaling=self.scaling,
        )
        plan = Plan(
            number,
            f"round-{number}",
            PlanKind.TRAIN,
            _NO_DIGEST,
            number - 1,
            BlobReference(_NO_DIGEST, 1, 1),
            Cohort.of((gateway,)),
            "none",
            training,
            1,
            _NO_DEADLINE_S,
            self.seed,
        )
        base = Model(_NO_DIGEST, number - 1, self.normalisation, parameters)
        seed = (self.seed + number, self.gateways.index(gateway))
        bench = Bench(MODEL, self.dataset, (gateway,))
        trained = bench.perform(Job(gateway, StartWork(plan, base, seed)))
        assert isinstance(trained, Trained)
        return trained
