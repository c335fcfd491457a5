"""The server under Flower: its own FedAvg, a checkpoint after each round, and what came of it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from benchmarks.intermittent_task import Task

app = ServerApp()


class CountingFedAvg(FedAvg):
    """FedAvg that writes down how many were asked, at once, and counts the answers it folded.

    Args:
        state: directory of ``asked.jsonl``.
        done: rounds that ended before this run.
        least: nodes that a round waits for.
    """

    asked = folded = 0

    def __init__(self, state: Path, done: int, least: int) -> None:
        super().__init__(fraction_evaluate=0.0, min_train_nodes=least, min_available_nodes=least)
        self._state = state
        self._done = done

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Count the questions before they are asked: a kill may end the round."""
        # Its own number begins at 1 again in a run that goes on: clients would draw the same again.
        config["number"] = self._done + server_round
        messages = list(super().configure_train(server_round, arrays, config, grid))
        self.asked = len(messages)
        _append(
            self._state / "asked.jsonl", {"round": self._done + server_round, "asked": self.asked}
        )
        return messages

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Count the answers."""
        found = list(replies)
        self.folded = sum(not reply.has_error() for reply in found)
        return super().aggregate_train(server_round, found)


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run the rounds that are left, from the last checkpoint if there is one."""
    config = context.run_config
    task = Task.read(Path(str(config["task"])))
    state = Path(str(config["state"]))
    done, parameters = _checkpoint(state, task)
    strategy = CountingFedAvg(state, done, int(config["min-nodes"]))

    def round_ended(number: int, arrays: ArrayRecord) -> None:
        if number:
            now = arrays.to_numpy_ndarrays()[0]
            _keep(state, done + number, now)
            _say(state, done + number, strategy, task.macro_f1(now))

    strategy.start(
        grid,
        ArrayRecord([parameters]),
        num_rounds=int(config["rounds"]) - done,
        timeout=float(config["deadline-s"]),
        evaluate_fn=round_ended,
    )


def _checkpoint(state: Path, task: Task) -> tuple[int, np.ndarray]:
    path = state / "checkpoint.npz"
    if not path.exists():
        return 0, task.initial
    with np.load(path) as kept:
        return int(kept["round"]), kept["parameters"]


def _keep(state: Path, number: int, parameters: np.ndarray) -> None:
    with (state / "checkpoint.part").open("wb") as file:
        np.savez(file, round=number, parameters=parameters)
        file.flush()
        os.fsync(file.fileno())
    (state / "checkpoint.part").replace(state / "checkpoint.npz")


def _say(state: Path, number: int, strategy: CountingFedAvg, macro_f1: float) -> None:
    row = {
        "round": number,
        "asked": strategy.asked,
        "folded": strategy.folded,
        "macro_f1": macro_f1,
        "unix_s": time.time(),
    }
    _append(state / "progress.jsonl", row)


def _append(path: Path, row: dict[str, object]) -> None:
    with path.open("a") as file:
        file.write(json.dumps(row) + "\n")
