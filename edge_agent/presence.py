"""What a gateway says of itself, when it is news and as a heartbeat. Sans-I/O."""

from __future__ import annotations

from dataclasses import dataclass

from broker.protocol import sealed
from broker.protocol.effects import Publish
from broker.protocol.messages import GatewayPresence, GatewayState
from broker.protocol.signing import Signer
from broker.protocol.topics import Topics
from edge_agent.clock import ClockOffset
from edge_agent.effects import Identity

_HEARTBEAT_S = 30.0
_QUIET_HEARTBEAT_S = 900.0
_IDLE = frozenset({GatewayState.OFFLINE, GatewayState.COLLECTING})


@dataclass(frozen=True, slots=True)
class Condition:
    """How the gateway is.

    Attributes:
        state: what it does.
        examples: that it could train on.
        version: that it infers with.
        obstacles: reasons for which it takes no part.
        held: newest version that it has.
        link: class of its link.
        spent_bytes: over it today; never news.
    """

    state: GatewayState
    examples: int
    version: int | None
    obstacles: tuple[str, ...] = ()
    held: int | None = None
    link: str = "other"
    spent_bytes: int = 0


class Presence:
    """Says how the gateway is; ``birth`` and ``session`` name the run of the process."""

    def __init__(self, identity: Identity, birth: int, session: bytes, signer: Signer) -> None:
        self._identity = identity
        self._birth = birth
        self._session = session
        self._signer = signer
        self._topic = Topics(identity.population).presence(identity.gateway)
        self._said: Condition | None = None
        self._heartbeat_at = 0.0

    def forget(self) -> None:
        """Nobody may know any more what was said."""
        self._said = None

    def tick(self, now: float) -> None:
        """Let time pass: what was said long ago is said again."""
        if now >= self._heartbeat_at:
            self._said = None

    def news(
        self, condition: Condition, traffic: tuple[int, int], now: float, clock: ClockOffset
    ) -> list[Publish]:
        """Say the condition if it is worth a message; ``traffic`` is bytes (received, sent)."""
        if not self._worth(condition):
            return []
        self._said = condition
        quiet = self._identity.quiet
        self._heartbeat_at = now + (_QUIET_HEARTBEAT_S if quiet else _HEARTBEAT_S)
        return [self.message(condition, traffic, clock.say(now))]

    def message(
        self, condition: Condition, traffic: tuple[int, int], unix_s: float = 0.0
    ) -> Publish:
        """Return a condition as the retained message that says it, at ``unix_s`` or in a will."""
        message = GatewayPresence(
            self._identity.gateway,
            self._birth,
            self._session,
            self._signer.public,
            condition.state,
            self._identity.artifact,
            condition.examples,
            condition.version,
            *traffic,
            condition.obstacles,
            condition.held,
            unix_s,
            condition.link,
            condition.spent_bytes,
        )
        return Publish(self._topic, sealed.seal(message, self._topic, self._signer), retain=True)

    def _worth(self, now: Condition) -> bool:
        """Whether a condition is news: not one more example, but a tenth more is."""
        said = self._said
        if said is None:
            return True
        if self._news_of(now) != self._news_of(said):
            return True
        return now.examples >= 1.1 * said.examples + 1 or now.examples < said.examples

    def _news_of(self, now: Condition) -> tuple[object, ...]:
        """What of a condition, but for its examples, is worth a message.

        Of a quiet gateway it is what the aggregator asks it by.
        """
        if not self._identity.quiet:
            return now.state, now.version, now.obstacles, now.held, now.link
        state = now.state if now.state in _IDLE else GatewayState.READY
        return state, now.obstacles, now.link
