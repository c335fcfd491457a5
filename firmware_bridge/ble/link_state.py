"""The states of one sensor's link and every transition between them. Pure: the clock is passed in.

IDLE ─start→ SEARCHING ─found→ QUEUED ─turn→ CONNECTING ─subscribed→ STREAMING
                 ↑                │              │                      │
              deadline            └── lost ──────┴─ failed, deadline ───┤ dropped, deadline
                 │                                                      ↓
              WAITING ←──────────── closed, deadline ──────────────  CLOSING
"""

from __future__ import annotations

from enum import Enum, auto
from types import MappingProxyType

from firmware_bridge.backoff import Backoff
from firmware_bridge.ble.link_limits import LinkLimits


class State(Enum):
    """Where a sensor's link is."""

    IDLE = auto()
    """Nobody asked for it yet."""
    SEARCHING = auto()
    """Listening for an advertisement of the sensor."""
    QUEUED = auto()
    """Found; other sensors of the adapter connect first."""
    CONNECTING = auto()
    """Connecting, bonding, subscribing."""
    STREAMING = auto()
    """Subscribed; values come."""
    CLOSING = auto()
    """The link ended or is given up; what is left of it is closed."""
    WAITING = auto()
    """Before the next search."""


class Event(Enum):
    """What happens to a link."""

    START = auto()
    FOUND = auto()
    TURN = auto()
    SUBSCRIBED = auto()
    DATA = auto()
    """A value came."""
    FAILED = auto()
    """What the state was about did not succeed."""
    DROPPED = auto()
    """The other side, or the stack, ended the link."""
    STACK_LOST = auto()
    """The Bluetooth daemon or the message bus is gone; no callback will ever come."""
    CLOSED = auto()
    DEADLINE = auto()
    """``LinkMachine.deadline_s`` has passed."""


class Action(Enum):
    """What the driver of a machine has to begin; it stops what it did before."""

    SEARCH = auto()
    CONNECT = auto()
    CLOSE = auto()
    REST = auto()
    """Nothing until the deadline."""


_TRANSITIONS = MappingProxyType(
    {
        (State.IDLE, Event.START): (State.SEARCHING, Action.SEARCH),
        (State.SEARCHING, Event.FOUND): (State.QUEUED, Action.CONNECT),
        (State.QUEUED, Event.TURN): (State.CONNECTING, None),
        (State.QUEUED, Event.FAILED): (State.CLOSING, Action.CLOSE),
        (State.QUEUED, Event.STACK_LOST): (State.CLOSING, Action.CLOSE),
        (State.CONNECTING, Event.SUBSCRIBED): (State.STREAMING, None),
        (State.CONNECTING, Event.FAILED): (State.CLOSING, Action.CLOSE),
        (State.CONNECTING, Event.DROPPED): (State.CLOSING, Action.CLOSE),
        (State.CONNECTING, Event.STACK_LOST): (State.CLOSING, Action.CLOSE),
        (State.CONNECTING, Event.DEADLINE): (State.CLOSING, Action.CLOSE),
        (State.STREAMING, Event.DATA): (State.STREAMING, None),
        (State.STREAMING, Event.DROPPED): (State.CLOSING, Action.CLOSE),
        (State.STREAMING, Event.STACK_LOST): (State.CLOSING, Action.CLOSE),
        (State.STREAMING, Event.DEADLINE): (State.CLOSING, Action.CLOSE),
        (State.CLOSING, Event.CLOSED): (State.WAITING, Action.REST),
        (State.CLOSING, Event.DEADLINE): (State.WAITING, Action.REST),
        (State.WAITING, Event.DEADLINE): (State.SEARCHING, Action.SEARCH),
    }
)


class LinkMachine:
    """One sensor's link.

    Args:
        limits: how long each state may last.
        interval_s: longest time between two values of a sensor that works; None where silence
            says nothing, as with a cuff that is used twice a day.
        backoff: waits between two links; short again once a value came.
    """

    def __init__(self, limits: LinkLimits, interval_s: float | None, backoff: Backoff) -> None:
        self._limits = limits
        self._silence_s = limits.silence_s(interval_s)
        self._backoff = backoff
        self.state = State.IDLE
        self.deadline_s: float | None = None
        """When the driver must report DEADLINE, on the clock of ``now_s``; None for never."""

    def handle(self, event: Event, now_s: float) -> Action | None:
        """Take an event; returns what to begin. An event that the state does not know is late."""
        found = _TRANSITIONS.get((self.state, event))
        if found is None:
            return None
        if event is Event.DATA:
            self._backoff.reset()
        self.state, action = found
        span_s = self._span_s()
        self.deadline_s = None if span_s is None else now_s + span_s
        return action

    def _span_s(self) -> float | None:
        match self.state:
            case State.CONNECTING:
                return self._limits.connect_s
            case State.STREAMING:
                return self._silence_s
            case State.CLOSING:
                return self._limits.close_s
            case State.WAITING:
                return self._backoff.next_s()
            case _:
                return None
