"""One training step: perfuse's train signature against PyTorch on the CPU.

    python benchmarks/train_step.py [--model NAME] [--steps N] [--torch-python PYTHON]

The same network, batch and optimizer, one thread each, in the same run: every
contender is its own process, they take turns, and the best turn of each counts
(the others had a neighbour). Memory is the process's proportional set size
after the steps, from /proc/self/smaps_rollup, and includes Python and NumPy.
PyTorch runs twice, in plain float and with the fake quantization that perfuse
trains with. It may live in another environment: --torch-python names it.
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
CONTENDERS = ("perfuse", "torch-float", "torch-int8")
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
    has_torch = _imports_torch(arguments.torch_python)
    chosen = CONTENDERS if has_torch else CONTENDERS[:1]
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
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    return parser.parse_args()


def _imports_torch(python: str) -> bool:
    probe = subprocess.run([python, "-c", "import torch"], check=False, capture_output=True)
    return probe.returncode == 0


def _turn(contender: str, arguments: argparse.Namespace) -> dict[str, Any]:
    python = sys.executable if contender == "perfuse" else arguments.torch_python
    command = [python, __file__, "--contender", contender, "--model", arguments.model]
    # One thread for every library that would otherwise take all cores.
    limits = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
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
    print(f"{'':12} {'runtime':24} {'ms/step':>8} {'PSS MB':>7}   perfuse takes")
    ours = best["perfuse"]
    for name, result in best.items():
        time_ratio = ours["step_ms"] / result["step_ms"]
        memory_ratio = ours["pss_mb"] / result["pss_mb"]
        print(
            f"{name:12} {result['runtime']:24} {result['step_ms']:8.2f} {result['pss_mb']:7.0f}"
            f"   {time_ratio:.2f} of the time, {memory_ratio:.2f} of the memory"
        )


def _report(contender: str, model: str, steps: int) -> None:
    """In the contender's process: time the steps, print one JSON line."""
    runtime, step = _perfuse(model) if contender == "perfuse" else _torch(contender, model)
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


def _perfuse(name: str) -> tuple[str, Callable[[], Any]]:
    from models.artifact import load_artifact
    from models.interpreter import runtime_name
    from models.trainable import TrainableModel

    artifact = load_artifact(name)
    model = TrainableModel(artifact, num_threads=1)
    x, y = _batch(artifact.spec.input_shape, len(artifact.spec.classes))
    weight = np.ones(32, np.float32)

    def step() -> float:
        return model.train_step(x, y, weight, learning_rate=LEARNING_RATE, momentum=MOMENTUM)

    return runtime_name(), step


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
