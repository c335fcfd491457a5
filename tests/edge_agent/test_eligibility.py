"""Every reason that keeps a gateway from taking part, at its limit."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.settings import SettingError
from edge_agent.eligibility import (
    LINK_KINDS,
    OF_THE_LINK,
    OF_TRAINING,
    Circumstances,
    EligibilitySettings,
    Reason,
    obstacles,
)


def reasons(settings: EligibilitySettings, **now: Any) -> list[Reason]:
    return [obstacle.reason for obstacle in obstacles(settings, Circumstances(**now))]


def test_a_machine_that_tells_nothing_takes_part() -> None:
    assert reasons(EligibilitySettings()) == []
    strict = EligibilitySettings(
        require_mains=True, max_load=1, links=("wifi",), max_example_age_h=1, min_clean_share=0.9
    )
    assert reasons(strict) == []


@pytest.mark.parametrize(
    ("reason", "settings", "good", "bad"),
    [
        (Reason.POWER, {"require_mains": True}, {"mains": True}, {"mains": False}),
        (
            Reason.BATTERY,
            {"min_battery_percent": 40},
            {"mains": False, "battery_percent": 40},
            {"mains": False, "battery_percent": 39},
        ),
        (Reason.HOT, {"max_temperature_c": 70}, {"temperature_c": 70}, {"temperature_c": 70.1}),
        (Reason.BUSY, {"max_load": 1.5}, {"load": 1.5}, {"load": 1.6}),
        (
            Reason.QUIET_HOURS,
            {"quiet_hours": "12:00-13:30"},
            {"minute_of_day": 13 * 60 + 30},
            {"minute_of_day": 12 * 60},
        ),
        (
            Reason.QUIET_HOURS,
            {"quiet_hours": "22:00-06:00"},
            {"minute_of_day": 6 * 60},
            {"minute_of_day": 5 * 60 + 59},
        ),
        (
            Reason.QUIET_HOURS,
            {"quiet_hours": "22:00-06:00"},
            {"minute_of_day": 21 * 60 + 59},
            {"minute_of_day": 22 * 60},
        ),
        (Reason.FEW_EXAMPLES, {"min_examples": 50}, {"examples": 50}, {"examples": 49}),
        (
            Reason.OLD_EXAMPLES,
            {"max_example_age_h": 2},
            {"newest_example_age_s": 7200},
            {"newest_example_age_s": 7201},
        ),
        (Reason.QUALITY, {"min_clean_share": 0.5}, {"clean_share": 0.5}, {"clean_share": 0.49}),
        (Reason.CONSENT, {}, {"consent": True}, {"consent": False}),
        (Reason.LINK, {"links": ("wifi", "ethernet")}, {"link": "wifi"}, {"link": "cellular"}),
        (Reason.BUDGET, {}, {"budget_left_bytes": 1}, {"budget_left_bytes": 0}),
    ],
)
def test_each_reason_at_its_limit(
    reason: Reason, settings: dict[str, Any], good: dict[str, Any], bad: dict[str, Any]
) -> None:
    made = EligibilitySettings(**settings)
    assert reasons(made, **({"examples": 10**6} | good)) == []
    assert reasons(made, **({"examples": 10**6} | bad)) == [reason]


def test_mains_make_up_for_a_low_battery() -> None:
    assert reasons(EligibilitySettings(), mains=True, battery_percent=3) == []


def test_what_is_wrong_is_said_with_its_figures_and_in_order() -> None:
    settings = EligibilitySettings(max_temperature_c=70, links=("wifi",), consent_file="/consent")
    now = Circumstances(
        mains=False, battery_percent=12, temperature_c=81, link="cellular", consent=False
    )
    assert [str(o.reason) + ": " + o.detail for o in obstacles(settings, now)] == [
        "consent: /consent is not there",
        "battery: 12 %, from 30 % on",
        "hot: 81 C, up to 70 C",
        "link: cellular, not wifi",
    ]


def test_every_reason_is_of_training_or_of_the_link() -> None:
    assert frozenset(Reason) == OF_TRAINING | OF_THE_LINK
    assert {Reason.CONSENT} == OF_TRAINING & OF_THE_LINK


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("quiet_hours", "22-6"),
        ("quiet_hours", "22:00"),
        ("quiet_hours", "25:00-06:00"),
        ("quiet_hours", "22:00-06:60"),
        ("links", ("wlan",)),
        ("min_battery_percent", 101),
        ("min_clean_share", -0.1),
        ("max_load", -1),
        ("max_temperature_c", 1000),
        ("min_examples", -1),
        ("max_example_age_h", -1),
    ],
)
def test_a_wrong_value_is_named(key: str, value: Any) -> None:
    with pytest.raises(SettingError) as caught:
        EligibilitySettings(**{key: value})
    assert caught.value.key == f"eligibility.{key}"


@given(
    st.builds(
        Circumstances,
        mains=st.none() | st.booleans(),
        battery_percent=st.none() | st.floats(0, 100),
        temperature_c=st.none() | st.floats(-40, 120),
        load=st.none() | st.floats(0, 100),
        link=st.none() | st.sampled_from(LINK_KINDS),
        minute_of_day=st.integers(0, 1439),
        clean_share=st.none() | st.floats(0, 1),
    )
)
def test_no_reason_is_said_twice(now: Circumstances) -> None:
    settings = EligibilitySettings(
        require_mains=True, max_load=1, quiet_hours="01:00-23:00", links=("wifi",)
    )
    found = [obstacle.reason for obstacle in obstacles(settings, now)]
    assert len(found) == len(set(found))
