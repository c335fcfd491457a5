"""What is looked at, and what is made of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_agent.eligibility import EligibilitySettings, Reason
from edge_agent.eligibility_watch import EligibilityWatch
from edge_agent.machine import Machine
from edge_agent.pipeline import PipelineCounters

NOW = 1_000_000.0


def look(
    watch: EligibilityWatch,
    now: float = NOW,
    windows: tuple[PipelineCounters, ...] = (),
    *,
    training: bool = False,
) -> list[Reason]:
    found = watch.look(now, examples=10, training=training, windows=windows)
    return [obstacle.reason for obstacle in found]


def test_the_age_of_the_newest_example_survives_a_restart(tmp_path: Path) -> None:
    settings = EligibilitySettings(max_example_age_h=1)
    watch = EligibilityWatch(settings, Machine(tmp_path), kept_unix_s=NOW - 3601)
    assert look(watch) == [Reason.OLD_EXAMPLES]
    watch.kept(NOW)
    assert look(watch, NOW + 3600) == []
    assert look(EligibilityWatch(settings, Machine(tmp_path))) == []


def test_the_share_of_clean_windows_is_that_of_the_last_hour(tmp_path: Path) -> None:
    watch = EligibilityWatch(EligibilitySettings(min_clean_share=0.5), Machine(tmp_path))
    first, second = PipelineCounters(), PipelineCounters()
    assert look(watch, windows=(first, second)) == []
    first.kept, second.unclean = 4, 5
    assert look(watch, windows=(first, second)) == [Reason.QUALITY]
    for _ in range(359):
        look(watch, windows=(first, second))
    first.kept = 5
    assert look(watch, windows=(first, second)) == []


def test_consent_is_a_file_that_can_be_taken_away(tmp_path: Path) -> None:
    consent = tmp_path / "consent"
    watch = EligibilityWatch(EligibilitySettings(consent_file=str(consent)), Machine(tmp_path))
    assert look(watch) == [Reason.CONSENT]
    consent.touch()
    assert look(watch) == []
    consent.unlink()
    assert look(watch) == [Reason.CONSENT]


def test_the_load_of_our_own_training_is_not_held_against_it(tmp_path: Path) -> None:
    cores = os.cpu_count() or 1
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/loadavg").write_text(f"{cores * 0.5 + 1} 0 0 1/2 3\n")
    watch = EligibilityWatch(EligibilitySettings(max_load=0.5), Machine(tmp_path))
    assert look(watch) == [Reason.BUSY]
    assert look(watch, training=True) == []


@pytest.mark.parametrize(("hours", "found"), [("00:00-24:00", [Reason.QUIET_HOURS]), ("", [])])
def test_quiet_hours_are_local(tmp_path: Path, hours: str, found: list[Reason]) -> None:
    watch = EligibilityWatch(EligibilitySettings(quiet_hours=hours), Machine(tmp_path))
    assert look(watch) == found
