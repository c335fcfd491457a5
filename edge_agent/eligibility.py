"""Whether a gateway may train and exchange updates now, and if not, why. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from broker.protocol.messages import TWIN_OBSTACLE
from broker.settings import SettingError, require_range

UNKNOWN_LINK = "other"
LINK_KINDS = ("ethernet", "wifi", "cellular", UNKNOWN_LINK)


class Reason(StrEnum):
    """What stands in the way. A reason names one thing that somebody can change."""

    CONSENT = "consent"  # the wearer has not agreed, or no longer does
    POWER = "power"  # on battery, and mains are required
    BATTERY = "battery"  # on battery, and it is low
    HOT = "hot"
    BUSY = "busy"
    QUIET_HOURS = "quiet-hours"
    FEW_EXAMPLES = "few-examples"
    OLD_EXAMPLES = "old-examples"
    QUALITY = "quality"  # too many unclean windows lately
    LINK = "link"  # the link is of a kind on which nothing is exchanged
    BUDGET = "budget"  # today's bytes are spent
    TWIN = TWIN_OBSTACLE  # another agent runs with this gateway's name and key


# These keep updates and models off the link; all others keep the gateway from training.
OF_THE_LINK = frozenset({Reason.LINK, Reason.BUDGET, Reason.CONSENT})
OF_TRAINING = frozenset(Reason) - {Reason.LINK, Reason.BUDGET}
# These only keep it from working on: what was learnt before is good, and is handed in. Where the
# wearer or the readings are the reason, nothing is.
OF_THE_MACHINE = frozenset(
    {Reason.POWER, Reason.BATTERY, Reason.HOT, Reason.BUSY, Reason.QUIET_HOURS}
)


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One reason, with the figures behind it for the log."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class EligibilitySettings:
    """When a gateway takes part. What a machine cannot tell is never an obstacle.

    Attributes:
        require_mains: train only while plugged in.
        min_battery_percent: train on battery only above this.
        max_temperature_c: of the hottest thermal zone; 0 does not ask.
        max_load: runnable processes a core, averaged over a minute, besides training; 0 does
            not ask.
        quiet_hours: local times such as ``"22:00-06:00"`` in which nothing is trained.
        links: kinds of link on which updates and models are exchanged; all when empty.
        min_examples: that can be trained on, besides what the plan asks for.
        max_example_age_h: hours since the newest example was kept; 0 does not ask.
        min_clean_share: of the last windows; fewer clean ones, and the sensors want looking at.
        consent_file: training needs this file to exist, so that taking it away ends it.

    Raises:
        SettingError: a value that cannot be, by its key.
    """

    require_mains: bool = False
    min_battery_percent: float = 30.0
    max_temperature_c: float = 80.0
    max_load: float = 0.0
    quiet_hours: str = ""
    links: tuple[str, ...] = ()
    min_examples: int = 0
    max_example_age_h: float = 0.0
    min_clean_share: float = 0.0
    consent_file: str = ""

    def __post_init__(self) -> None:
        require_range("eligibility.min_battery_percent", self.min_battery_percent, 0, 100)
        require_range("eligibility.max_temperature_c", self.max_temperature_c, 0, 150)
        require_range("eligibility.max_load", self.max_load, 0, 1000)
        require_range("eligibility.min_examples", self.min_examples, 0, 10**9)
        require_range("eligibility.max_example_age_h", self.max_example_age_h, 0, 24 * 366)
        require_range("eligibility.min_clean_share", self.min_clean_share, 0, 1)
        if unknown := set(self.links) - set(LINK_KINDS):
            raise SettingError(
                "eligibility.links", f"{min(unknown)!r} is not one of {', '.join(LINK_KINDS)}"
            )
        self.quiet_minutes()

    def quiet_minutes(self) -> tuple[int, int] | None:
        """Return the quiet hours as minutes of the day, the second excluded; ``None`` without any.

        Raises:
            SettingError: they are not two times.
        """
        if not self.quiet_hours:
            return None
        try:
            first, last = (_minutes(text) for text in self.quiet_hours.split("-"))
        except ValueError:
            raise SettingError(
                "eligibility.quiet_hours", f"{self.quiet_hours!r} is not like '22:00-06:00'"
            ) from None
        return first, last


@dataclass(frozen=True, slots=True)
class Circumstances:
    """How a gateway is at one moment; ``None`` is what the machine cannot tell.

    Attributes:
        mains: whether it is plugged in.
        battery_percent: of the emptiest battery that feeds the machine.
        temperature_c: of the hottest thermal zone.
        load: runnable processes a core over the last minute, without our own training.
        link: one of ``LINK_KINDS``.
        minute_of_day: local time, 0 to 1439.
        examples: that can be trained on.
        newest_example_age_s: since one was kept.
        clean_share: of the last windows.
        consent: whether the wearer agrees.
        budget_left_bytes: that may still be exchanged today.
    """

    mains: bool | None = None
    battery_percent: float | None = None
    temperature_c: float | None = None
    load: float | None = None
    link: str | None = None
    minute_of_day: int = 0
    examples: int = 0
    newest_example_age_s: float | None = None
    clean_share: float | None = None
    consent: bool = True
    budget_left_bytes: int | None = None


def obstacles(settings: EligibilitySettings, now: Circumstances) -> tuple[Obstacle, ...]:
    """Say everything that stands in the way, in the order of :class:`Reason`; nothing is good."""
    found = [*_machine(settings, now), *_examples(settings, now), *_link(settings, now)]
    if not now.consent:
        found.append(Obstacle(Reason.CONSENT, f"{settings.consent_file} is not there"))
    order = list(Reason)
    return tuple(sorted(found, key=lambda obstacle: order.index(obstacle.reason)))


def _machine(settings: EligibilitySettings, now: Circumstances) -> Iterator[Obstacle]:
    on_battery = now.mains is False
    if on_battery and settings.require_mains:
        yield Obstacle(Reason.POWER, "on battery")
    percent = now.battery_percent
    if on_battery and percent is not None and percent < settings.min_battery_percent:
        limit = settings.min_battery_percent
        yield Obstacle(Reason.BATTERY, f"{percent:.0f} %, from {limit:.0f} % on")
    if _above(now.temperature_c, settings.max_temperature_c):
        yield Obstacle(
            Reason.HOT, f"{now.temperature_c:.0f} C, up to {settings.max_temperature_c:.0f} C"
        )
    if _above(now.load, settings.max_load):
        yield Obstacle(Reason.BUSY, f"load {now.load:.1f} a core, up to {settings.max_load:.1f}")
    quiet = settings.quiet_minutes()
    if quiet is not None and _within(now.minute_of_day, *quiet):
        yield Obstacle(Reason.QUIET_HOURS, settings.quiet_hours)


def _examples(settings: EligibilitySettings, now: Circumstances) -> Iterator[Obstacle]:
    if now.examples < settings.min_examples:
        yield Obstacle(Reason.FEW_EXAMPLES, f"{now.examples} of {settings.min_examples}")
    if _above(now.newest_example_age_s, settings.max_example_age_h * 3600):
        hours = (now.newest_example_age_s or 0.0) / 3600
        limit = settings.max_example_age_h
        yield Obstacle(Reason.OLD_EXAMPLES, f"the newest is {hours:.0f} h old, up to {limit:g} h")
    if now.clean_share is not None and now.clean_share < settings.min_clean_share:
        share, least = now.clean_share, settings.min_clean_share
        yield Obstacle(Reason.QUALITY, f"{share:.0%} of the last windows clean, from {least:.0%}")


def _link(settings: EligibilitySettings, now: Circumstances) -> Iterator[Obstacle]:
    if settings.links and now.link is not None and now.link not in settings.links:
        yield Obstacle(Reason.LINK, f"{now.link}, not {' or '.join(settings.links)}")
    if now.budget_left_bytes is not None and now.budget_left_bytes <= 0:
        yield Obstacle(Reason.BUDGET, "today's bytes are spent")


def _above(value: float | None, limit: float) -> bool:
    return value is not None and 0 < limit < value


def _within(minute: int, first: int, last: int) -> bool:
    """Whether a minute of the day lies in [first, last), which may span midnight."""
    if first <= last:
        return first <= minute < last
    return minute >= first or minute < last


def _minutes(text: str) -> int:
    hours, minutes = text.strip().split(":")
    if not (len(minutes) == 2 and hours.isdigit() and minutes.isdigit()):
        raise ValueError(text)
    if int(hours) > 24 or int(minutes) > 59 or int(hours) * 60 + int(minutes) > 1440:
        raise ValueError(text)
    return int(hours) * 60 + int(minutes)
