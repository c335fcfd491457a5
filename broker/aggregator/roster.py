"""Who is there, and who of them can be asked. Pure."""

from __future__ import annotations

from bisect import bisect_left

from broker.protocol.messages import GatewayPresence, GatewayState


class Roster:
    """The gateways that are ready, by what they last said of themselves.

    Args:
        artifact: SHA-256 of the training artifact that a gateway must hold.
        min_examples: labelled examples that it must have.
    """

    def __init__(self, artifact: bytes, min_examples: int) -> None:
        self._artifact = artifact
        self._min_examples = min_examples
        self._ready: list[str] = []
        self._births: dict[str, int] = {}

    @property
    def ready(self) -> list[str]:
        """The gateways that can be asked, sorted."""
        return list(self._ready)

    def take(self, presence: GatewayPresence) -> None:
        """Take a presence; the death of an older session is ignored."""
        gateway = presence.gateway
        if presence.birth < self._births.get(gateway, 0):
            return
        self._births[gateway] = presence.birth
        able = presence.state is not GatewayState.OFFLINE
        enough = presence.examples >= self._min_examples
        willing = not presence.obstacles
        if able and enough and willing and presence.artifact == self._artifact:
            self._add(gateway)
        else:
            self.drop(gateway)

    def drop(self, gateway: str) -> None:
        """Do not ask this gateway until it is taken again."""
        place = bisect_left(self._ready, gateway)
        if self._ready[place : place + 1] == [gateway]:
            del self._ready[place]

    def _add(self, gateway: str) -> None:
        place = bisect_left(self._ready, gateway)
        if self._ready[place : place + 1] != [gateway]:
            self._ready.insert(place, gateway)
