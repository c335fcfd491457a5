"""A sensor that stops reading its wearer is said once, and once when it reads again."""

from __future__ import annotations

from edge_agent.held_alerts import HeldAlerts
from firmware_bridge.quality import Reason

OFF = (Reason.FLATLINE,)


def said(*windows: tuple[Reason, ...], sensor: str = "probe") -> list[str]:
    held = HeldAlerts()
    return [held.judge(sensor, window) for window in windows]


def test_three_in_a_row_are_said_once_and_so_is_the_end():
    check = "CHECK sensor probe: flatline; its alerts are held back"
    again = "sensor probe reads its wearer again"
    assert said(OFF, OFF, OFF, OFF, (), ()) == ["", "", check, "", again, ""]


def test_a_bad_reading_now_and_then_is_not_said():
    assert said(OFF, (), OFF, OFF, (), OFF) == [""] * 6


def test_sensors_are_judged_each_on_its_own():
    held = HeldAlerts()
    for _ in range(2):
        assert held.judge("a", OFF) == held.judge("b", OFF) == ""
    assert "sensor a" in held.judge("a", OFF)
    assert held.judge("b", ()) == ""


def test_what_is_held_back_is_said_once_a_stretch():
    held = HeldAlerts()
    held.judge("probe", OFF)
    said = [held.alarming("probe", what, OFF) for what in ("fall", "fall", "fit")]
    assert said == [
        "held back: fall on probe, for the readings are unclean: flatline",
        "",
        "held back: fit on probe, for the readings are unclean: flatline",
    ]
    held.judge("probe", ())
    held.judge("probe", OFF)
    assert held.alarming("probe", "fit", OFF) == said[2]
