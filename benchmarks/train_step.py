"""One training step: perfuse's modes against PyTorch and TensorFlow on the CPU.

    python benchmarks/train_step.py [--model NAME] [--steps N] [--torch-python PYTHON]
                                    [--tensorflow-python PYTHON]

The same network, batch and optimizer, one thread each, in the same run: every
contender is its own process, they take turns, and the best turn of each counts
(the others had a neighbour). Memory is the process's proportional set size
after the steps, from /proc/self/smaps_rollup, and includes Python and NumPy.
PyTorch runs twice, in plain float and with the fake quantization that perfuse
trains with; TensorFlow runs perfuse's own graph before its conversion. They may live in other
environments: --torch-python and --tensorflow-python name them. Modes `head` and `sparse` take
features that int8 inference gave once; what that takes an example is the column `once`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
OURS = ("perfuse", "perfuse-head", "perfuse-sparse")
PEERS = ("torch-float", "torch-int8", "tensorflow")
CONTENDERS = OURS + PEERS
TURNS = 3
WARM_UP_STEPS = 20
# Small, so that nobody diverges on noise: arithmetic on NaN and denormals has other speeds.
LEARNING_RATE, MOMENTUM = 1e-4, 0.9


def main() -> int:
    """Print the table; 0, or 3 where PyTorch is absent."""
    arguments = _arguments()
    if arguments.contender:
        _report(arguments.contender, arguments.model, arguments.steps)
        return 0
    has_torch = _imports(arguments.torch_python, "torch")
    chosen = OURS + (PEERS[:2] if has_torch else ())
    if _imports(arguments.tensorflow_python, "tensorflow"):
        chosen += PEERS[2:]
    turns = [{name: _turn(name, arguments) for name in chosen} for _ in range(TURNS)]
    best = {name: min((t[name] for t in turns), key=lambda r: r["step_ms"]) for name in chosen}
    _print_table(best, arguments.model)
    if not has_torch:
        print(
            f"\nNo PyTorch in {arguments.torch_python}. To compare: python -m venv .venv-torch &&"
            "\n.venv-torch/bin/pip install torch numpy, then --torch-python .venv-torch/bin/python"
        )
    return 0 if has_torch else 3


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", default="shoulder-cnn1d", help="a shipped cnn1d or mlp")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--torch-python", default=sys.executable)
    parser.add_argument("--tensorflow-python", default=sys.executable)
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    return parser.parse_args()


def _imports(python: str, name: str) -> bool:
    probe = subprocess.run([python, "-c", f"import {name}"], check=False, capture_output=True)
    return probe.returncode == 0


def _turn(contender: str, arguments: argparse.Namespace) -> dict[str, Any]:
    python = sys.executable if contender in OURS else arguments.torch_python
    if contender == "tensorflow":
        python = arguments.tensorflow_python
    command = [python, __file__, "--contender", contender, "--model", arguments.model]
    # One thread for every library that would otherwise take all cores.
    limits = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
              "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1",
              "CUDA_VISIBLE_DEVICES": "-1"}  # fmt: skip
    path = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, "--steps", str(arguments.steps)],
        env={**os.environ, **limits, **path},
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _print_table(best: dict[str, dict[str, Any]], model: str) -> None:
    print(f"{model}, batch 32, 1 thread, best of {TURNS} turns\n")
    print(f"{'':14} {'runtime':24} {'ms/step':>8} {'once ms':>8} {'PSS MB':>7}   perfuse takes")
    ours = best["perfuse"]
    for name, result in best.items():
        time_ratio = ours["step_ms"] / result["step_ms"]
        memory_ratio = ours["pss_mb"] / result["pss_mb"]
        print(
            f"{name:14} {result['runtime']:24} {result['step_ms']:8.2f} {result['once_ms']:8.3f}"
            f" {result['pss_mb']:7.0f}"
            f"   {time_ratio:.2f} of the time, {memory_ratio:.2f} of the memory"
        )


def _report(contender: str, model: str, steps: int) -> None:
    """In the contender's process: time the steps, print one JSON line."""
    once_ms = 0.0
    if contender in OURS:
        runtime, step, once_ms = _perfuse(contender, model)
    elif contender == "tensorflow":
        runtime, step = _tensorflow(model)
    else:
        runtime, step = _torch(contender, model)
    for _ in range(WARM_UP_STEPS):
        step()
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    result = {
        "runtime": runtime,
        "step_ms": 1e3 * statistics.median(times),
        "once_ms": once_ms,
        "pss_mb": _pss_mb(),
    }
    print(json.dumps(result))


def _pss_mb() -> float:
    text = Path("/proc/self/smaps_rollup").read_text()
    line = next(line for line in text.splitlines() if line.startswith("Pss:"))
    return int(line.split()[1]) / 1024


def _batch(shape: tuple[int, ...], classes: int) -> tuple[Any, Any]:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(32, *shape)).astype(np.float32)
    return x, generator.integers(0, classes, 32)


def _perfuse(contender: str, name: str) -> tuple[str, Callable[[], Any], float]:
    from models.artifact import load_artifact
    from models.interpreter import runtime_name
    from models.partial import learner_of

    artifact = load_artifact(name)
    model = learner_of(artifact, contender.partition("-")[2] or "full")
    x, y = _batch(artifact.spec.input_shape, len(artifact.spec.classes))
    weight = np.ones(32, np.float32)
    began = time.perf_counter()
    prepared = model.prepare(x)
    once_ms = 1e3 * (time.perf_counter() - began) / len(x)

    def step() -> float:
        return model.train_step(prepared, y, weight, learning_rate=LEARNING_RATE, momentum=MOMENTUM)

    return runtime_name(), step, once_ms


def _tensorflow(name: str) -> tuple[str, Callable[[], Any]]:
    import tensorflow as tf

    from models.artifact import load_artifact
    from models.build.architectures import network
    from models.build.objective import objective
    from models.build.training_graph import TrainingModule

    artifact = load_artifact(name)
    spec = artifact.spec
    net = network(spec.architecture, spec.input_shape, len(spec.classes))
    goal = objective(spec.task, spec.architecture, len(spec.classes), 32, spec.input_shape)
    module = TrainingModule(net, goal, spec.input_shape, 32)
    module.entries["restore"](parameters=tf.constant(artifact.initial_parameters()))
    x, y = _batch(spec.input_shape, len(spec.classes))
    still = tf.zeros([spec.parameters])
    weight = np.ones(32, np.float32)
    rate, momentum, mu = (tf.constant(v, tf.float32) for v in (LEARNING_RATE, MOMENTUM, 0.0))

    def step() -> float:
        loss = module.entries["train"](
            x=tf.constant(x),
            y=tf.constant(y, tf.int32),
            sample_weight=tf.constant(weight),
            learning_rate=rate,
            momentum=momentum,
            mu=mu,
            correction=still,
        )["loss"]
        return float(loss)

    return f"tensorflow {tf.__version__}", step


def _torch(contender: str, name: str) -> tuple[str, Callable[[], Any]]:
    import torch
    from torch_network import QuantizedNetwork, plain_network

    from models.artifact import load_artifact
    from models.build.architectures import network

    torch.set_num_threads(1)
    torch.manual_seed(0)
    spec = load_artifact(name).spec
    net = network(spec.architecture, spec.input_shape, len(spec.classes))
    model = QuantizedNetwork(net) if contender == "torch-int8" else plain_network(net)
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    x, y = _batch(spec.input_shape, len(spec.classes))
    # As perfuse does: NumPy arrays come in with every step.
    windows = x.reshape(32, net.steps, net.channels)

    def step() -> float:
        inputs = torch.from_numpy(windows).transpose(1, 2)
        loss = torch.nn.functional.cross_entropy(model(inputs), torch.from_numpy(y))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss)

    return f"torch {torch.__version__}", step


if __name__ == "__main__":
    sys.exit(main())
