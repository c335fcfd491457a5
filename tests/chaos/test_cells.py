"""The matrix and what is said of it."""

from __future__ import annotations

import pytest

from perfuse.chaos.cells import Cell, Fault, Outcome, Phase, matrix, table
from perfuse.chaos.plan import schedule
from perfuse.chaos.report import as_json, totals
from perfuse.cli import main

KILL = Cell(Fault.KILL_GATEWAY, Phase.UPLOAD)
CUT = Cell(Fault.CUT_LINK, Phase.COMMIT)


def test_the_matrix_is_every_fault_in_every_phase() -> None:
    assert len(matrix()) == len(set(matrix())) == len(Fault) * len(Phase) == 70


def test_a_schedule_goes_through_all_of_it_until_enough_were_killed() -> None:
    once = schedule(Fault, 1, seed=3)
    assert sorted(map(str, once)) == sorted(map(str, matrix()))
    twice = schedule(Fault, 51, seed=3)
    assert twice[:70] == once
    assert len(twice) == 140
    assert schedule(Fault, 1, seed=4) != once
    assert len(schedule([Fault.CUT_LINK], 1000, seed=0)) == 10


def test_the_table_sums_what_was_lost_and_marks_what_did_not_recover() -> None:
    outcomes = [
        Outcome(KILL, 0, 0, 0, 1.0),
        Outcome(KILL, 1, 0, 2, 5.0),
        Outcome(KILL, 0, 0, 0, 2.0),
        Outcome(CUT, 0, 3, 0, 90.0, "round 7 did not end"),
    ]
    rows = {line[:16].strip(): line[16:].split("  ") for line in table(outcomes).splitlines()}
    assert "1/0/2 2.0s" in [cell.strip() for cell in rows["kill gateway"]]
    assert "0/3/0 90.0s!" in [cell.strip() for cell in rows["cut link"]]
    assert totals(outcomes) == {"lost": 1, "double": 3, "lost_rounds": 2, "flawed": 1}
    assert [o.good for o in outcomes] == [True, False, True, False]


def test_the_report_has_a_row_for_each_cell_that_was_run() -> None:
    outcomes = [Outcome(KILL, 0, 0, 0, 1.0), Outcome(KILL, 0, 0, 0, 3.0)]
    report = as_json(outcomes, seed=5, broker="mosquitto", kills=2, left_out={"x": "y"})
    (row,) = report["cells"]
    assert (row["fault"], row["phase"], row["runs"]) == ("kill gateway", "upload", 2)
    assert row["recovery_s"] == {"median": 3.0, "max": 3.0}
    assert (report["kills"], report["left_out"]) == (2, {"x": "y"})


def test_an_unknown_fault_is_a_users_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["chaos", "--fault", "earthquake"])
    assert ended.value.code == 2
    assert "'kill gateway'" in capsys.readouterr().err
