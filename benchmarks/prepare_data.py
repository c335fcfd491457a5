"""Write a public recording as a file for `perfuse simulate`: x, y and the array `subject`.

    python benchmarks/prepare_data.py mitbih  --source mitbih_beats_120hz.npz --out beats.npz
    python benchmarks/prepare_data.py glucose --source cgm_glucose.npz --out glucose.npz
    python benchmarks/prepare_data.py digits  --source scikit_learn-1.9.1-...whl --out digits.npz
    python benchmarks/prepare_data.py umafall --source umafall_20hz.npz --out falls.npz
    python benchmarks/prepare_data.py shapes  --out shapes.npz

`digits` reads the images inside a scikit-learn wheel, or the folder that one is installed in.
`mitbih-ecg` is `mitbih` without the RR intervals. Then, for example:

    perfuse simulate --data glucose.npz --model glucose-forecast --baselines
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from perfuse.simulation.preparation import Prepared, beats, digits, falls, glucose, shapes

KINDS = ("mitbih", "mitbih-ecg", "glucose", "digits", "umafall", "shapes")


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--source", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0, help="of generated shapes")
    options = parser.parse_args()
    if options.source is None and options.kind != "shapes":
        parser.error(f"{options.kind} needs --source")
    found = prepared(options.kind, options.source, options.seed)
    np.savez_compressed(options.out, x=found.x, y=found.y, subject=found.subject)
    print(f"{options.out}: x {found.x.shape}, y {found.y.shape}, {len(set(found.subject))} clients")


def prepared(kind: str, source: Path, seed: int = 0) -> Prepared:
    """Read what a kind is made of."""
    if kind.startswith("mitbih"):
        return beats(source, rhythm=kind == "mitbih")
    if kind == "shapes":
        return shapes(np.random.default_rng(seed), 800)
    return {"glucose": glucose, "digits": digits, "umafall": falls}[kind](source)


if __name__ == "__main__":
    main()
