"""What a sans-I/O core asks of the link that carries it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Publish:
    """Publish at QoS 1; an empty retained payload clears the topic.

    Attributes:
        token: handed back through the core's ``published`` once the broker has acknowledged;
            empty when the core does not ask.
    """

    topic: str
    payload: bytes
    retain: bool = False
    token: str = ""


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Subscribe to a topic filter at QoS 1; the broker sends what is retained there."""

    topic_filter: str


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Give a topic filter up."""

    topic_filter: str
