"""The profiles that people ask for by name."""

from __future__ import annotations

import pytest

from perfuse.link.profiles import PROFILES


def test_every_promised_profile_is_there():
    names = "wifi 4g 3g 2g satellite ward-vpn ambulance up-10-percent"
    assert list(PROFILES) == names.split()


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_every_profile_says_where_its_numbers_come_from(profile):
    assert profile.up_bits_per_s > 0
    assert profile.down_bits_per_s >= profile.up_bits_per_s
    assert len(profile.source) > 40
    assert profile.summary


def test_shares_of_time():
    assert PROFILES["ward-vpn"].up_share == pytest.approx(0.9)
    assert PROFILES["up-10-percent"].up_share == pytest.approx(0.1)
    assert PROFILES["3g"].up_share == 1.0


def test_how_long_an_outage_lasts():
    assert PROFILES["ward-vpn"].mean_outage_s == 360
    assert PROFILES["up-10-percent"].mean_outage_s == 540
    assert PROFILES["3g"].mean_outage_s == 0


@pytest.mark.parametrize(
    ("profile", "waited_for", "needed"),
    [("3g", 8, 8), ("ambulance", 5, 2), ("up-10-percent", 1, 1)],
)
def test_a_round_waits_for_those_that_the_link_lets_be_there(profile, waited_for, needed):
    assert PROFILES[profile].min_gateways(8) == waited_for
    assert PROFILES[profile].min_reports(waited_for) == needed
