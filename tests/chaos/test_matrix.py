"""Every fault in every phase of a round, once: nothing is lost, nothing counted twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from perfuse.chaos.plan import impossible
from perfuse.cli import main


def test_no_fault_in_any_phase_costs_an_update_or_a_round(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "chaos.json"
    code = main(["chaos", "--report", str(path), "--out", str(tmp_path / "out")])
    said = capsys.readouterr().out
    report = json.loads(path.read_text())
    assert report["totals"] == {"lost": 0, "double": 0, "lost_rounds": 0, "flawed": 0}, said
    assert code == 0
    faults = 7 - len(impossible())
    assert len(report["cells"]) == 10 * faults
    assert all(cell["runs"] == 1 for cell in report["cells"])
    if not impossible():
        assert report["kills"] >= 60
