"""From wire bytes to a new model: updates a second and peak memory, per codec, against Flower's.

Each line is a process of its own that decodes and folds the same few payloads again and again, as
an open round does, and then makes the new parameters; and again with a tenth of the updates, whose
peak memory stands beside. Flower's line deserialises the same number of updates as its server gets
them and aggregates them with its own FedAvg function; it must hold them all, so it is given as many
as fit in ``--flower-updates``, and its rate is taken from those. All take turns, and the best turn
of each counts: the others had a neighbour.

    python benchmarks/aggregate.py [--updates 1000] [--flower-python /path/to/venv/bin/python]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

CODECS = (
    "none",
    "q8",
    "q4|golomb",
    "residual|randk=0.01|q8",
    "residual|topk=0.01|sign|golomb",
    "residual|topk=0.05|sign|golomb",
)
DISTINCT = 8

FLOWER = """
import json, resource, sys, time
import numpy as np
from flwr.common import ndarrays_to_parameters, parameters_to_ndarrays
from flwr.server.strategy.aggregate import aggregate

parameters, updates = int(sys.argv[1]), int(sys.argv[2])
generator = np.random.default_rng(0)
wire = [ndarrays_to_parameters([generator.normal(0, .01, parameters).astype(np.float32)])
        for _ in range(8)]
began = time.perf_counter()
aggregate([(parameters_to_ndarrays(wire[i % 8]), 40 + i) for i in range(updates)])
seconds = time.perf_counter() - began
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"rate": updates / seconds, "peak_mb": peak, "bytes": len(wire[0].tensors[0])}))
"""


def fold(text: str, parameters: int, updates: int) -> dict[str, float]:
    """Decode and fold ``updates`` payloads of float32[parameters], and make the new model."""
    import resource

    from broker.aggregator.fold import WeightedMean
    from broker.protocol.compression import Layout, Shared, codec

    chain, shared = codec(text), Shared(Layout.plain(parameters), 7)
    generator = np.random.default_rng(0)
    wire = [
        chain.compress(
            generator.normal(0, 0.01, parameters).astype(np.float32), shared, generator
        ).payload
        for _ in range(DISTINCT)
    ]
    base = np.zeros(parameters, np.float32)
    decoding = 0.0
    began = time.perf_counter()
    mean = WeightedMean(parameters)
    for i in range(updates):
        start = time.perf_counter()
        delta = chain.decompress(wire[i % DISTINCT], shared)
        decoding += time.perf_counter() - start
        if delta.indices is None:
            mean.add(delta.values, 40 + i)
        else:
            mean.add_sparse(delta.indices, delta.values, 40 + i)
    mean.apply(base)
    seconds = time.perf_counter() - began
    return {
        "rate": updates / seconds,
        "decoding": decoding / seconds,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "bytes": len(wire[0]),
    }


def main() -> None:
    """Print a table for each number of parameters."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--updates", type=int, default=1000)
    parser.add_argument("--parameters", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--flower-python", type=Path, help="an interpreter that has flwr")
    parser.add_argument("--flower-updates", type=int, default=200)
    parser.add_argument("--turns", type=int, default=3, help="(%(default)s)")
    parser.add_argument("--fold", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fold:
        print(json.dumps(fold(options.fold, options.parameters[0], options.updates)))
        return
    for parameters in options.parameters:
        print(f"\n{parameters} parameters, {options.updates} updates")
        print(f"{'':34}{'bytes':>9}{'updates/s':>11}{'decoding':>10}{'peak MB':>9}"
              f"{'a tenth':>9}{'x Flower':>10}")  # fmt: skip
        flower: dict[str, float] | None = None
        ours: dict[str, dict[str, float]] = {}
        for _ in range(options.turns):
            flower = _better(flower, _flower(options, parameters))
            for text in CODECS:
                found = _fold(text, parameters, options.updates)
                ours[text] = _better(ours.get(text), found) or found
        if flower:
            _say(f"Flower FedAvg, float32, {flower['updates']:.0f} held", flower, flower["rate"])
        for text, found in ours.items():
            _say(text, found, flower["rate"] if flower else None)


def _fold(text: str, parameters: int, updates: int) -> dict[str, float]:
    arguments = ("--fold", text, "--parameters", str(parameters))
    fewer = _run(sys.executable, __file__, *arguments, "--updates", str(max(updates // 10, 1)))
    found = _run(sys.executable, __file__, *arguments, "--updates", str(updates))
    return found | {"fewer_mb": fewer["peak_mb"]}


def _better(
    one: dict[str, float] | None, other: dict[str, float] | None
) -> dict[str, float] | None:
    if one is None or other is None:
        return one or other
    return max(one, other, key=lambda found: found["rate"])


def _flower(options: argparse.Namespace, parameters: int) -> dict[str, float] | None:
    if options.flower_python is None:
        return None
    updates = min(options.flower_updates, options.updates)
    found = _run(str(options.flower_python), "-c", FLOWER, str(parameters), str(updates))
    return found | {"updates": updates}


def _run(*command: str) -> dict[str, float]:
    # As the command `perfuse` has it; Flower's server uses no BLAS for this.
    one_thread = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=one_thread)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _say(name: str, found: dict[str, float], flower: float | None) -> None:
    share = f"{found['decoding']:>10.0%}" if "decoding" in found else f"{'':>10}"
    factor = "" if flower is None else f"{found['rate'] / flower:>10.1f}"
    fewer = f"{found['fewer_mb']:>9.0f}" if "fewer_mb" in found else f"{'':>9}"
    print(
        f"{name:34}{found['bytes']:>9.0f}{found['rate']:>11.0f}{share}{found['peak_mb']:>9.0f}"
        f"{fewer}{factor}",
        flush=True,
    )


if __name__ == "__main__":
    main()
