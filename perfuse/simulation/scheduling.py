"""How a simulation's rounds go: what was asked, made into the aggregator's own settings. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from broker.aggregator.settings import RoundSettings
from broker.settings import SettingError
from perfuse.link.profiles import PROFILES, LinkProfile

DEADLINE_S = 600.0
STALENESS_POWER = 0.5
STEP_MS = 6.0


class OptionError(Exception):
    """Options that do not go together, or that these clients do not allow.

    Attributes:
        option: the one to change, such as ``"--buffer"``.
        reason: what is wrong with it.
    """

    def __init__(self, option: str, reason: str) -> None:
        super().__init__(f"{option}: {reason}")
        self.option = option
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Scheduling:
    """The scheduler's knobs, as :class:`~broker.aggregator.settings.RoundSettings` has them.

    Attributes:
        cohort: 0 is all gateways.
        staleness_power: ``None`` is the aggregator's own.
        deadline_s: ``None`` is ten minutes.
        min_gateways: ready gateways to wait for before a round opens; 0: three quarters of those
            that the link lets be there on average, all where it is always up.
        min_reports: updates without which a round is abandoned; 0: half of ``min_gateways``; all
            where the link is always up and no deadline was given.

    Raises:
        OptionError: they do not go together.
    """

    cohort: int = 0
    buffer: int = 0
    staleness_cap: int = 0
    staleness_power: float | None = None
    over_selection: float = 0.0
    deadline_s: float | None = None
    min_gateways: int = 0
    min_reports: int = 0

    def __post_init__(self) -> None:
        if self.over_selection and not self.cohort:
            raise OptionError("--over-selection", "needs --cohort, the goal that it goes beyond")
        if self.staleness_power is not None and not self.staleness_cap:
            raise OptionError(
                "--staleness-power", "needs --staleness-cap: without it no late update counts"
            )
        for option, limit in (
            ("--buffer", self.buffer),
            ("--cohort", self.cohort),
            ("--min-gateways", self.min_gateways),
        ):
            if limit and self.min_reports > limit:
                raise OptionError("--min-reports", f"{self.min_reports}, {option} is {limit}")

    @property
    def mode(self) -> str:
        """What such rounds are called."""
        if self.buffer:
            return "asynchronous"
        return "semi-synchronous" if self.staleness_cap else "synchronous"

    def settings(self, rounds: int, clients: int, profile: LinkProfile | None) -> RoundSettings:
        """Return what the aggregator of so many clients behind such links is told.

        Raises:
            OptionError: there are too few clients.
        """
        for option, number in (
            ("--min-gateways", self.min_gateways),
            ("--min-reports", self.min_reports),
        ):
            if number > clients:
                raise OptionError(option, f"{number}, there are {clients} clients to train on")
        gateways, reports = self._enough(clients, profile)
        try:
            return RoundSettings(
                rounds=rounds,
                cohort=min(self.cohort, clients),
                over_selection=self.over_selection,
                buffer=self.buffer,
                staleness_cap=self.staleness_cap,
                staleness_power=STALENESS_POWER
                if self.staleness_power is None
                else self.staleness_power,
                min_gateways=gateways,
                min_reports=reports,
                deadline_s=self.deadline_s or DEADLINE_S,
                min_examples=1,
            )
        except SettingError as error:
            option = error.key.removeprefix("rounds.").replace("_", "-")
            raise OptionError(f"--{option}", error.reason) from error

    def _enough(self, clients: int, profile: LinkProfile | None) -> tuple[int, int]:
        """Return how many gateways a round waits for, and how many reports it needs."""
        usual = clients if profile is None else profile.min_gateways(clients)
        gateways = self.min_gateways or max(usual, self.min_reports)
        reports = self.min_reports or self._min_reports(gateways, profile)
        goal = min(self.cohort or clients, self.buffer or clients)
        return gateways, min(reports, gateways, goal)

    def _min_reports(self, gateways: int, profile: LinkProfile | None) -> int:
        always_up = profile is None or profile.outages is None
        return gateways if always_up and self.deadline_s is None else max(1, gateways // 2)


@dataclass(frozen=True, slots=True)
class Timing:
    """That work and links take virtual time.

    Attributes:
        step_ms: what a training step takes on a gateway.
        profile: a name in :data:`perfuse.link.profiles.PROFILES`; ``None``: perfect links.
    """

    step_ms: float = STEP_MS
    profile: str | None = None

    @property
    def link(self) -> LinkProfile | None:
        """Return the gateways' links."""
        return None if self.profile is None else PROFILES[self.profile]


def report_of(scheduling: Scheduling, settings: RoundSettings) -> dict[str, Any]:
    """Return what a report says of how its rounds went."""
    known = asdict(settings)
    return {"mode": scheduling.mode} | {name: known[name] for name in _REPORTED}


_REPORTED = (
    "cohort",
    "over_selection",
    "buffer",
    "staleness_cap",
    "staleness_power",
    "deadline_s",
    "min_gateways",
    "min_reports",
)
