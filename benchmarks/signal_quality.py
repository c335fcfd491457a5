"""How many injected faults the quality checks find, and how many clean windows they refuse.

    python benchmarks/signal_quality.py [--windows 400] [--half 1] [dataset ...]

For each dataset of ../shared/data: the share of clean windows that are refused, then for each fault
the share of windows refused when it is injected (recall), and of those with the fault how many are
refused for its own reason. Thresholds were chosen on half 0 of the subjects; half 1 was not looked
at. Last, the time that a window of 200 x 6 takes.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from quality_datasets import DATA, DATASETS, CleanWindows

from firmware_bridge.quality import Assessor, Reason, WindowQuality
from firmware_bridge.sample import Channel
from firmware_bridge.simulate.signal_faults import Fault, inject

_OWN_REASON = {
    Fault.OUT_OF_RANGE: Reason.RANGE,
    Fault.FLATLINE: Reason.FLATLINE,
    Fault.CLIPPING: Reason.CLIPPING,
    Fault.GAP: Reason.GAP,
    Fault.REPEATED_BLOCK: Reason.DUPLICATE,
    Fault.DOUBLED_READINGS: Reason.DUPLICATE,
    Fault.DRIFT: Reason.DRIFT,
    Fault.MOTION: Reason.MOTION,
    Fault.SPIKE: Reason.SPIKE,
}
_SEED = 20


@dataclass(slots=True)
class Detection:
    """What became of the windows that one fault was put into.

    Attributes:
        tried: windows with the fault.
        found: those that were refused.
        named: those that were refused for the fault's own reason.
    """

    tried: int = 0
    found: int = 0
    named: int = 0


@dataclass(slots=True)
class Measured:
    """One dataset's figures."""

    clean: int = 0
    refused: int = 0
    why: Counter[str] = field(default_factory=Counter)
    faults: dict[Fault, Detection] = field(default_factory=dict)

    @property
    def false_alarms(self) -> float:
        """Share of the clean windows that were refused."""
        return self.refused / self.clean


def measure(dataset: CleanWindows, most: int, seed: int = _SEED) -> Measured:
    """Judge up to ``most`` windows of a dataset, clean and with each fault."""
    rng = np.random.default_rng(seed)
    drawn = rng.permutation(len(dataset.windows))[:most]
    assessor = dataset.assessor()
    measured = Measured()
    for window in dataset.windows[drawn]:
        quality = assessor.assess(window)
        measured.clean += 1
        measured.refused += not quality.clean
        measured.why.update(map(str, quality.reasons))
        for fault in Fault:
            faulty = inject(fault, window, dataset.sizes, rng)
            if faulty is not None:
                _count(
                    measured.faults.setdefault(fault, Detection()), fault, assessor.assess(faulty)
                )
    return measured


def _count(detection: Detection, fault: Fault, quality: WindowQuality) -> None:
    detection.tried += 1
    detection.found += not quality.clean
    detection.named += _OWN_REASON[fault] in quality.reasons


def microseconds() -> float:
    """CPU time of a window of 200 x 6, judged: best of some rounds."""
    names = ("ax", "ay", "az", "wx", "wy", "wz")
    channels = [Channel(name, "[g]" if name[0] == "a" else "rad/s") for name in names]
    assessor = Assessor(channels, 50.0, 200)
    window = np.random.default_rng(0).standard_normal((200, 6)).astype(np.float32) * 0.3
    best = np.inf
    for _ in range(20):
        begun = time.process_time()
        for _ in range(50):
            assessor.assess(window)
        best = min(best, (time.process_time() - begun) / 50)
    return float(best * 1e6)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("dataset", nargs="*", choices=[[], *DATASETS], help="all when left out")
    parser.add_argument("--windows", type=int, default=400, help="of each dataset (%(default)s)")
    parser.add_argument("--half", type=int, choices=(0, 1), default=1, help="(%(default)s)")
    options = parser.parse_args()
    if not DATA.is_dir():
        raise SystemExit(f"{DATA} is absent: nothing to measure")
    for name in options.dataset or DATASETS:
        measured = measure(DATASETS[name]().of(options.half), options.windows)
        why = ", ".join(f"{reason} {count}" for reason, count in measured.why.most_common())
        print(f"{name}: {measured.clean} clean windows, refused {measured.false_alarms:.3f}"
              + (f" ({why})" if why else ""))  # fmt: skip
        for fault, detection in measured.faults.items():
            print(f"  {fault:18}  recall {detection.found / detection.tried:.3f}"
                  f"  named {detection.named / detection.tried:.3f}")  # fmt: skip
    print(f"a window of 200 x 6 takes {microseconds():.0f} us")


if __name__ == "__main__":
    main()
