"""Another agent with this gateway's name and key: what the aggregator says of it. Sans-I/O."""

from __future__ import annotations

import logging
import math

from broker.protocol.messages import IdentityConflict
from edge_agent.effects import Note
from edge_agent.eligibility import Obstacle, Reason

# Longer than the aggregator takes to say it again while both are there, also when a broker ousts
# one for the other and links wait for minutes.
_SILENCE_S = 900.0


class TwinWatch:
    """Holds that there is another agent of this identity, until nothing was said of it for long.

    Args:
        session: this agent's own.
    """

    def __init__(self, session: bytes) -> None:
        self._session = session
        self._told_at = -math.inf
        self.obstacles: tuple[Obstacle, ...] = ()

    def told(self, conflict: IdentityConflict, now: float) -> list[Note]:
        """Take the aggregator's word, unless it is of agents that ran before this one."""
        if self._session not in conflict.sessions:
            return []
        self._told_at = now
        if self.obstacles:
            return []
        agents = len(conflict.sessions)
        self.obstacles = (Obstacle(Reason.TWIN, f"{agents} agents of one identity"),)
        text = (
            f"{agents} agents run as gateway {conflict.gateway} at once, with one key: this one "
            f"and {agents - 1} elsewhere. Neither trains until only one is left. Stop the others, "
            "and give a copied state_dir a gateway name and a key of its own"
        )
        return [Note(text, logging.ERROR)]

    def gone(self, now: float) -> bool:
        """Let time pass; returns whether the obstacle has just gone."""
        if not self.obstacles or now - self._told_at <= _SILENCE_S:
            return False
        self.obstacles = ()
        return True
