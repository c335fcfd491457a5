"""Whether one gateway's name is used by two agents at once, by the sessions that speak. Pure.

An agent draws a session id when it starts, and its birth counter grows with each start: a session
that gives way to another for good was a restart. Two that keep taking turns, each with something
new to say, are two agents: a copied memory card (births may be equal, the key is), or one started
twice. A message that a broker replays or a slow link delivers late is not new: ``sent_bytes`` grows
with each thing that a session says.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from broker.protocol.messages import (
    TWIN_OBSTACLE,
    GatewayPresence,
    GatewayState,
    IdentityConflict,
)

# The tail of a dead session may come after the next one's first words, but not twice; and a birth
# is durable before it is said, so that two sessions of one birth are never a restart.
_RETURNS = 2
_RETURNS_OF_ONE_BIRTH = 1
# Said again to each of them so often while it lasts, and each time that one speaks without saying
# that it knows: a broker may have given the last one to the other.
_AGAIN_S = 20.0
# Brokers oust one for the other, and links back off for minutes then.
TWIN_SILENCE_S = 900.0
_REMEMBERED = 4


@dataclass(slots=True)
class _Session:
    birth: int
    sent_bytes: int
    heard_at: float
    first: int
    last: int
    returns: int = 0
    told_at: float | None = None


@dataclass(slots=True)
class _Gateway:
    speaker: bytes
    words: int = 0
    sessions: dict[bytes, _Session] = field(default_factory=dict)
    said: frozenset[bytes] = frozenset()


class Sessions:
    """Remembers who speaks for each gateway: a few sessions each."""

    def __init__(self) -> None:
        self._gateways: dict[str, _Gateway] = {}

    def heard(self, presence: GatewayPresence, now: float) -> IdentityConflict | None:
        """Take a presence; return who are taking turns with whom, when it is so.

        A will is the broker's word, and says nothing of who lives.
        """
        name, session = presence.gateway, presence.session
        found = self._gateways.setdefault(name, _Gateway(session))
        if presence.state is not GatewayState.OFFLINE:
            self._count(found, presence, now)
        twins = self._twins(found, now)
        return IdentityConflict(name, twins) if session in twins else None

    def is_new(self, conflict: IdentityConflict) -> bool:
        """Whether this conflict was not asked about before."""
        found, twins = self._gateways[conflict.gateway], frozenset(conflict.sessions)
        new, found.said = twins != found.said, twins
        return new

    def to_tell(self, presence: GatewayPresence, now: float) -> bool:
        """Whether this session does not know of a conflict, or has not been told lately."""
        spoke = self._gateways[presence.gateway].sessions[presence.session]
        knows = TWIN_OBSTACLE in presence.obstacles
        if knows and spoke.told_at is not None and now < spoke.told_at + _AGAIN_S:
            return False
        spoke.told_at = now
        return True

    def _count(self, found: _Gateway, presence: GatewayPresence, now: float) -> None:
        session = found.sessions.get(presence.session)
        found.words += 1
        word, sent = found.words, presence.sent_bytes
        if session is None:
            found.sessions[presence.session] = _Session(presence.birth, sent, now, word, word)
            if len(found.sessions) > _REMEMBERED:
                del found.sessions[min(found.sessions, key=lambda s: found.sessions[s].heard_at)]
        elif sent <= session.sent_bytes:
            return
        else:
            session.sent_bytes, session.heard_at, session.last = sent, now, word
            session.returns += found.speaker != presence.session
        found.speaker = presence.session

    def _twins(self, found: _Gateway, now: float) -> tuple[bytes, ...]:
        """Return the sessions that take turns, sorted; none or at least two."""
        living = {
            session: spoke
            for session, spoke in found.sessions.items()
            if now - spoke.heard_at <= TWIN_SILENCE_S
        }
        births = [spoke.birth for spoke in living.values()]
        for spoke in living.values():
            one_birth = births.count(spoke.birth) > 1
            if spoke.returns >= (_RETURNS_OF_ONE_BIRTH if one_birth else _RETURNS):
                # Not those that were over before it began.
                twins = sorted(s for s, other in living.items() if other.last >= spoke.first)
                return tuple(twins) if len(twins) > 1 else ()
        return ()
