"""Named links: how fast, how far, and how often they are gone.

Every number has its origin in the profile's ``source``. Rates and round trips are those of
published presets and measurements; what nobody publishes in a usable form (jitter, how often a
stream stalls, how long a gap lasts) is assumed, and the source says so.
"""

from __future__ import annotations

from dataclasses import dataclass

MBIT = 1e6
KBIT = 1e3
_SHARE_WAITED_FOR = 0.75


@dataclass(frozen=True, slots=True)
class PeriodicOutages:
    """Down for ``down_s`` at ``first_s`` and every ``every_s`` from then, for all at once."""

    first_s: float
    every_s: float
    down_s: float


@dataclass(frozen=True, slots=True)
class RandomOutages:
    """Up and down in turn, both exponentially distributed, each gateway on its own."""

    mean_up_s: float
    mean_down_s: float


@dataclass(frozen=True, slots=True)
class LinkProfile:
    """A gateway's way to its broker.

    Attributes:
        up_bits_per_s, down_bits_per_s: from the gateway, and to it.
        delay_s: one way.
        jitter_s: added to it, uniform from 0 to this.
        stall_every_s: mean time between losses that hold the stream up; 0 is never. TCP hides a
            lost packet as a pause, which is all that MQTT ever sees of it.
        stall_s: mean length of such a pause: a retransmission timeout.
        outages: when it is down.
        silent_share: share of the outages after which neither end has been told; the others reset
            the connection in the middle of whatever was being sent.
        summary: one line for people.
        source: where the numbers come from.
    """

    name: str
    up_bits_per_s: float
    down_bits_per_s: float
    delay_s: float
    jitter_s: float
    stall_every_s: float
    stall_s: float
    outages: PeriodicOutages | RandomOutages | None
    silent_share: float
    summary: str
    source: str

    @property
    def up_share(self) -> float:
        """Share of the time that the link is up, in the long run."""
        match self.outages:
            case PeriodicOutages(_, every_s, down_s):
                return 1 - down_s / every_s
            case RandomOutages(mean_up_s, mean_down_s):
                return mean_up_s / (mean_up_s + mean_down_s)
            case None:
                return 1.0

    @property
    def mean_outage_s(self) -> float:
        """How long it is gone when it goes; 0 where it never does."""
        match self.outages:
            case PeriodicOutages(_, _, down_s):
                return down_s
            case RandomOutages(_, mean_down_s):
                return mean_down_s
            case None:
                return 0.0

    def min_gateways(self, gateways: int) -> int:
        """Return for how many of its gateways a round should wait.

        Three quarters of those that are there on average; all, where the link is never down.
        """
        if self.outages is None:
            return gateways
        return max(1, int(_SHARE_WAITED_FOR * self.up_share * gateways))

    def min_reports(self, min_gateways: int) -> int:
        """Return how many reports a round should need: half of those that it waited for, or all."""
        return min_gateways if self.outages is None else max(1, min_gateways // 2)


_PROFILES = (
    LinkProfile(
        "wifi",
        up_bits_per_s=15 * MBIT,
        down_bits_per_s=30 * MBIT,
        delay_s=0.001,
        jitter_s=0.004,
        stall_every_s=120,
        stall_s=0.25,
        outages=None,
        silent_share=0,
        summary="at home, the router in the next room",
        source="rates and the round trip of 2 ms: the preset Wi-Fi of Firefox's throttling; "
        "jitter and stalls assumed (a stall is one minimum timeout of TCP, 0.2 s, and a little)",
    ),
    LinkProfile(
        "4g",
        up_bits_per_s=9 * MBIT,
        down_bits_per_s=9 * MBIT,
        delay_s=0.085,
        jitter_s=0.03,
        stall_every_s=60,
        stall_s=0.5,
        outages=None,
        silent_share=0,
        summary="good coverage, standing still",
        source="WebPageTest's preset 4G (9 Mbit/s, round trip 170 ms); jitter and stalls assumed",
    ),
    LinkProfile(
        "3g",
        up_bits_per_s=768 * KBIT,
        down_bits_per_s=1.6 * MBIT,
        delay_s=0.15,
        jitter_s=0.05,
        stall_every_s=30,
        stall_s=1.0,
        outages=None,
        silent_share=0,
        summary="a village, or a 4G cell that many share",
        source="WebPageTest's preset 3G (1.6 Mbit/s down, 768 kbit/s up, round trip 300 ms); "
        "jitter and stalls assumed (a stall is the initial timeout of RFC 6298, 1 s)",
    ),
    LinkProfile(
        "2g",
        up_bits_per_s=200 * KBIT,
        down_bits_per_s=240 * KBIT,
        delay_s=0.42,
        jitter_s=0.2,
        stall_every_s=20,
        stall_s=2.5,
        outages=None,
        silent_share=0,
        summary="EDGE, in the cellar of a farmhouse",
        source="WebPageTest's preset Edge (240 kbit/s down, 200 kbit/s up, round trip 840 ms); "
        "jitter and stalls assumed",
    ),
    LinkProfile(
        "satellite",
        up_bits_per_s=5 * MBIT,
        down_bits_per_s=25 * MBIT,
        delay_s=0.3,
        jitter_s=0.04,
        stall_every_s=60,
        stall_s=1.2,
        outages=None,
        silent_share=0,
        summary="geostationary: fast enough, and far away",
        source="round trip of about 600 ms: G. Huston, Testing LEO and GEO satellite services in "
        "Australia, APNIC 2022; rates: the 25/5 Mbit/s tier of such services; jitter and stalls "
        "assumed",
    ),
    LinkProfile(
        "ward-vpn",
        up_bits_per_s=5 * MBIT,
        down_bits_per_s=20 * MBIT,
        delay_s=0.015,
        jitter_s=0.01,
        stall_every_s=120,
        stall_s=0.5,
        outages=PeriodicOutages(first_s=600, every_s=3600, down_s=360),
        silent_share=1.0,
        summary="a hospital's VPN, down 6 minutes each hour",
        source="the outage is the requirement: VPN drops of six minutes are known to have ended "
        "training runs across hospitals; a tunnel that goes tells nobody; rates assumed",
    ),
    LinkProfile(
        "ambulance",
        up_bits_per_s=9 * MBIT,
        down_bits_per_s=9 * MBIT,
        delay_s=0.085,
        jitter_s=0.1,
        stall_every_s=15,
        stall_s=0.8,
        outages=RandomOutages(mean_up_s=90, mean_down_s=15),
        silent_share=0.5,
        summary="4G on the road: tunnels, gaps and failed handovers",
        source="rates: WebPageTest's preset 4G; gaps: a radio link failure takes from T310 (1 s) "
        "to T311 (up to 30 s) to mend (3GPP TS 36.331, 7.3), 15 s lies between; how "
        "often, jitter and stalls assumed",
    ),
    LinkProfile(
        "up-10-percent",
        up_bits_per_s=768 * KBIT,
        down_bits_per_s=1.6 * MBIT,
        delay_s=0.15,
        jitter_s=0.05,
        stall_every_s=30,
        stall_s=1.0,
        outages=RandomOutages(mean_up_s=60, mean_down_s=540),
        silent_share=0.5,
        summary="3G that is there for a minute in ten",
        source="the share is the requirement; everything else as 3g",
    ),
)

PROFILES = {profile.name: profile for profile in _PROFILES}
