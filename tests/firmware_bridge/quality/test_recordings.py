"""On real recordings: faults are found, clean windows are left alone.

The thresholds were chosen on every other subject of each dataset; these are the others.
"""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DATASETS = (
    "shoulder_watch", "hmp_wrist", "umafall", "mitbih", "stress_predict", "cgm_glucose",
)  # fmt: skip
WINDOWS = 100


@pytest.mark.skipif(
    not (ROOT.parent / "shared" / "data").is_dir(), reason="../shared/data is absent"
)
@pytest.mark.parametrize("name", DATASETS)
def test_recall_is_95_percent_and_false_alarms_are_5_percent(name, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import quality_datasets
    import signal_quality

    measured = signal_quality.measure(quality_datasets.DATASETS[name]().of(half=1), WINDOWS)
    assert measured.clean == WINDOWS
    assert measured.false_alarms <= 0.05, measured.why
    recalls = {f: d.found / d.tried for f, d in measured.faults.items()}
    assert len(recalls) >= 6
    assert min(recalls.values()) >= 0.95, recalls
