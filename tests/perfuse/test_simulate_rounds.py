"""The scheduler's options of ``perfuse simulate``, and what is said of what happened."""

from __future__ import annotations

import json

import numpy as np
import pytest

from perfuse.cli import main
from perfuse.exit_codes import ExitCode
from perfuse.simulation.scheduling import OptionError, Scheduling

SITES = 6
SCHEDULES = {
    "synchronous": [],
    "semi-synchronous": ["--deadline", "20", "--staleness-cap", "3", "--staleness-power", "1"],
    "asynchronous": ["--buffer", "2", "--staleness-cap", "9", "--min-reports", "1"],
}


@pytest.mark.parametrize("mode", SCHEDULES)
def test_the_command_offers_the_scheduler_and_says_what_happened(data, tmp_path, mode, capsys):
    """With the real trainer: one gateway has far more examples and is late, where it may be."""
    arrays = dict(np.load(data).items())
    arrays["site"] = np.where(np.arange(600) < 480, 0, np.arange(600) % (SITES - 1) + 1)
    np.savez(data, **arrays)
    report = tmp_path / "report.json"
    command = ["simulate", "--data", str(data), "--clients", "site", "--model", "heart-logistic"]
    command += ["--rounds", "6", "--step-ms", "1000", "--holdout", "0.17", "--seed", "1"]
    assert main([*command, *SCHEDULES[mode], "--report", str(report)]) == ExitCode.OK
    found = json.loads(report.read_text())
    assert found["schedule"]["mode"] == mode
    counted = found["updates"]
    assert capsys.readouterr().out.splitlines()[-2].startswith(f"{mode}: 7 rounds committed")
    assert counted["folded"] == sum(row["reported"] for row in found["rounds"] if row["committed"])
    assert (counted["late"] > 0) is (mode != "synchronous")
    assert counted["late"] == sum(row["late"] for row in found["rounds"])
    seconds = [row["virtual_seconds"] for row in found["rounds"][1:] if row["committed"]]
    slowest = 3 * (480 // 32)
    assert (min(seconds) >= slowest) is (mode == "synchronous")
    if mode == "semi-synchronous":
        assert max(seconds) < slowest


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("--over-selection 0.5", "--over-selection: needs --cohort"),
        ("--staleness-power 1", "--staleness-power: needs --staleness-cap"),
        ("--buffer 2 --min-reports 3", "--min-reports: 3, --buffer is 2"),
        ("--cohort 2 --min-reports 3", "--min-reports: 3, --cohort is 2"),
        ("--min-gateways 2 --min-reports 3", "--min-reports: 3, --min-gateways is 2"),
        ("--min-gateways 9", "--min-gateways: 9, there are 4 clients to train on"),
        ("--min-reports 9", "--min-reports: 9, there are 4 clients to train on"),
    ],
)
def test_options_that_do_not_go_together_are_refused_with_a_word(data, given, words, capsys):
    command = f"simulate --data {data} --clients site --model heart-svm --rounds 1 {given}"
    assert main(command.split()) == ExitCode.USAGE
    assert words in capsys.readouterr().err


def test_what_cannot_be_scheduled_is_named_by_its_option():
    with pytest.raises(OptionError) as caught:
        Scheduling(min_reports=3, min_gateways=2)
    assert (caught.value.option, caught.value.reason) == ("--min-reports", "3, --min-gateways is 2")
