"""FedAvg through Flower, float32, on the same clients, network and local training as perfuse's.

`benchmarks/bytes_to_f1.py` runs this in a virtual environment of Flower's own. One gRPC server and
a client a gateway, each in a thread; a client's fit is the agent's own trainer. The normalisation
is that of all training clients together, which the federation of perfuse makes in its first round.
Bytes are those of the serialised parameters alone: Flower's own messages around them come on top.

    .venv-flower/bin/python benchmarks/flower_fedavg.py DATA MODEL SEED ROUNDS EPOCHS REPORT
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from flwr.client import NumPyClient, start_client
from flwr.common import ndarrays_to_parameters, parameters_to_ndarrays
from flwr.server import ServerConfig, start_server
from flwr.server.strategy import FedAvg

from broker.aggregator.settings import TrainingSettings
from broker.protocol.messages import BlobReference, Plan, PlanKind
from edge_agent.effects import Model, StartWork
from models.artifact import load_artifact
from models.normalisation import ChannelSums
from models.trainable import TrainableModel
from perfuse.simulation.dataset import load_dataset, split_clients
from perfuse.simulation.scoring import score_model
from perfuse.simulation.workforce import Bench, Job

HOLDOUT = 0.25


class Experiment:
    """What clients and server share: the data, the network, and what was counted."""

    def __init__(self, data: Path, model: str, seed: int, rounds: int, epochs: int) -> None:
        self.artifact = load_artifact(model)
        self.rounds, self.seed = rounds, seed
        self.training = TrainingSettings(local_epochs=epochs)
        dataset = load_dataset(data, "subject", self.artifact.spec)
        self.split = split_clients(dataset, HOLDOUT, seed)
        mine = dataset.of(self.split.training)
        self.normalisation = ChannelSums.of(mine.x).normalisation()
        self.heldout = dataset.of(self.split.heldout)
        self.bench = Bench(model, dataset, self.split.training)
        self.scorer = TrainableModel(self.artifact)
        # One interpreter for all: fits of several threads take turns.
        self.turn = threading.Lock()
        self.uplink: list[int] = []
        self.downlink: list[int] = []
        self.scores: list[dict[str, float | None]] = []

    def fit(self, client: str, parameters: np.ndarray, done: int) -> tuple[np.ndarray, int]:
        """Train float32[P] as a gateway does; returns the new ones and the number of examples."""
        base = Model(bytes(32), done, self.normalisation, parameters)
        work = StartWork(self._plan(done), base, (self.seed * 1000 + done, crc32(client.encode())))
        with self.turn:
            trained = self.bench.perform(Job(client, work))
            vector = parameters + trained.delta
            self.downlink.append(_serialised(parameters))
            self.uplink.append(_serialised(vector))
        return vector, trained.num_examples

    def evaluate(self, number: int, arrays: list[np.ndarray], config: Any) -> tuple[float, dict]:
        """Score the server's parameters on the clients that nobody trains on."""
        del config
        with self.turn:
            score = score_model(
                self.scorer, arrays[0], self.normalisation, self.heldout.x, self.heldout.y
            )
        if number:
            self.scores.append(score.as_dict())
        return 0.0, {}

    def _plan(self, done: int) -> Plan:
        digest = bytes.fromhex(self.artifact.spec.digest)
        training = self.training.plan(done, self.rounds)
        return Plan(0, "flower", PlanKind.TRAIN, digest, done, BlobReference(digest, 1, 1), (),
                    "none", training, 1, 0.0, self.seed)  # fmt: skip


class Gateway(NumPyClient):
    """One client."""

    def __init__(self, name: str, experiment: Experiment) -> None:
        self._name, self._experiment = name, experiment

    def fit(self, parameters: list[np.ndarray], config: dict[str, Any]) -> tuple[list, int, dict]:
        """See :class:`flwr.client.NumPyClient`."""
        vector, count = self._experiment.fit(self._name, parameters[0], int(config["done"]))
        return [vector], count, {}


def main() -> None:
    """Run one federation and write its report."""
    data, model, seed, rounds, epochs, report = sys.argv[1:]
    experiment = Experiment(Path(data), model, int(seed), int(rounds), int(epochs))
    clients = experiment.split.training
    strategy = FedAvg(
        fraction_fit=1.0, fraction_evaluate=0.0, min_fit_clients=len(clients),
        min_available_clients=len(clients), accept_failures=False, evaluate_fn=experiment.evaluate,
        on_fit_config_fn=lambda number: {"done": number - 1},
        initial_parameters=ndarrays_to_parameters([experiment.artifact.initial_parameters()]),
    )  # fmt: skip
    address = f"127.0.0.1:{_free_port()}"
    threads = [
        threading.Thread(target=_serve, args=(address, Gateway(c, experiment)), daemon=True)
        for c in clients
    ]
    for thread in threads:
        thread.start()
    start_server(
        server_address=address, config=ServerConfig(num_rounds=experiment.rounds), strategy=strategy
    )
    if len(experiment.uplink) != experiment.rounds * len(clients):
        sys.exit(f"{len(experiment.uplink)} fits in {experiment.rounds} rounds: not all took part")
    found = {
        "clients": list(clients),
        "heldout_clients": list(experiment.split.heldout),
        "rounds": experiment.rounds,
        "fits": len(experiment.uplink),
        "uplink_bytes": sum(experiment.uplink),
        "downlink_bytes": sum(experiment.downlink),
        "final": experiment.scores[-1],
    }
    Path(report).write_text(json.dumps(found, indent=2) + "\n")


def _serve(address: str, gateway: Gateway) -> None:
    """Be one client; should it fail, so does all, for the server would wait for it for ever."""
    try:
        _connect(address, gateway)
    except BaseException:  # noqa: BLE001  # whatever it was, the others must not wait
        traceback.print_exc()
        os._exit(1)  # nothing less ends a thread that waits in gRPC


def _connect(address: str, gateway: Gateway) -> None:
    host, _, port = address.partition(":")
    while True:  # until the server listens
        with socket.socket() as probe:
            if probe.connect_ex((host, int(port))) == 0:
                break
        time.sleep(0.1)
    start_client(server_address=address, client=gateway.to_client())


def _serialised(vector: np.ndarray) -> int:
    parameters = ndarrays_to_parameters([vector])
    assert np.array_equal(parameters_to_ndarrays(parameters)[0], vector)
    return sum(len(tensor) for tensor in parameters.tensors)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    main()
