"""Who is there, and who of them can be asked. Pure."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from broker.aggregator.events import GatewayRestored
from broker.protocol.messages import GatewayPresence, GatewayState

# A gateway says again how it is each half minute. What a broker delivers late comes all at once.
_GONE_BACK_S = 20.0


@dataclass(frozen=True, slots=True)
class _Earlier:
    """A session that is older than what was heard of its gateway, and that speaks all the same."""

    session: bytes
    sent_bytes: int
    heard_at: float


class Roster:
    """The gateways that are ready, by what they last said of themselves.

    The death of an older session is ignored, and so is what comes of it late. A gateway whose
    state was restored from a backup counts its starts from an earlier one: it is believed when an
    older session goes on speaking, with nothing of the newer one between.

    Args:
        artifact: SHA-256 of the training artifact that a gateway must hold.
        min_examples: labelled examples that it must have.
    """

    def __init__(self, artifact: bytes, min_examples: int) -> None:
        self._artifact = artifact
        self._min_examples = min_examples
        self._ready: list[str] = []
        self._births: dict[str, int] = {}
        self._earlier: dict[str, _Earlier] = {}

    @property
    def ready(self) -> list[str]:
        """The gateways that can be asked, sorted."""
        return list(self._ready)

    def take(self, presence: GatewayPresence, now: float) -> GatewayRestored | None:
        """Take a presence; returns whose state has gone back, when it is seen by this one."""
        gateway, before = presence.gateway, self._births.get(presence.gateway, 0)
        if presence.birth < before and not self._has_gone_back(presence, now):
            return None
        self._births[gateway] = presence.birth
        self._earlier.pop(gateway, None)
        able = presence.state is not GatewayState.OFFLINE
        enough = presence.examples >= self._min_examples
        willing = not presence.obstacles
        if able and enough and willing and presence.artifact == self._artifact:
            self._add(gateway)
        else:
            self.drop(gateway)
        return GatewayRestored(gateway, presence.birth, before) if presence.birth < before else None

    def drop(self, gateway: str) -> None:
        """Do not ask this gateway until it is taken again."""
        place = bisect_left(self._ready, gateway)
        if self._ready[place : place + 1] == [gateway]:
            del self._ready[place]

    def _has_gone_back(self, presence: GatewayPresence, now: float) -> bool:
        if presence.state is GatewayState.OFFLINE:
            return False
        found = self._earlier.get(presence.gateway)
        if found is None or found.session != presence.session:
            first = _Earlier(presence.session, presence.sent_bytes, now)
            self._earlier[presence.gateway] = first
            return False
        return presence.sent_bytes > found.sent_bytes and now >= found.heard_at + _GONE_BACK_S

    def _add(self, gateway: str) -> None:
        place = bisect_left(self._ready, gateway)
        if self._ready[place : place + 1] != [gateway]:
            self._ready.insert(place, gateway)
