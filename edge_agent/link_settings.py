"""What a gateway is told of its link: its class, its bytes a day, how much is said over it."""

from __future__ import annotations

from dataclasses import dataclass

from broker.settings import require_range, require_topic_name


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """A gateway's link.

    Attributes:
        kind: its class in a word, such as ``"4g"``; the aggregator chooses codecs by it. What the
            machine tells (``ethernet``, ``wifi``, ``cellular`` or ``other``) when empty.
        daily_budget_bytes: that may go over it in a UTC day, both ways; 0 is no limit.
        quiet: say only what the aggregator needs to know, and a heartbeat a quarter of an hour.

    Raises:
        SettingError: a value that cannot be, by its key.
    """

    kind: str = ""
    daily_budget_bytes: int = 0
    quiet: bool = False

    def __post_init__(self) -> None:
        if self.kind:
            require_topic_name("link.kind", self.kind)
        require_range("link.daily_budget_bytes", self.daily_budget_bytes, 0, 2**50)
