"""What a federation's parties in virtual time share: a link, a clock, ticks, and what kills them.

What a party holds in memory dies with a crash; its log or journal stays, as a disk would. A party
that cannot write does what its service does: it tries again, or does not start.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from broker.protocol.effects import Publish
from broker.protocol.signing import Signer
from edge_agent.errors import StorageError
from perfuse.link.timeline import Ending
from perfuse.simulation.identities import signer_of
from perfuse.virtual.broker import VirtualBroker
from perfuse.virtual.event_queue import EventQueue, PartyClock
from perfuse.virtual.link import VirtualLink
from perfuse.virtual.path import Path

# As the services do: ticks, the wait after a disk that was full, and systemd's RestartSec.
_GATEWAY_TICK_S = 1.0
_AGGREGATOR_TICK_S = 0.5
STORAGE_RETRY_S = 30.0
_RESTART_S = 5.0


class Killed(BaseException):
    """The process ends here, in the middle of what it was doing; raised by who watches a party."""

    def __init__(self, down_s: float, ending: Ending = Ending.RESET) -> None:
        super().__init__(down_s, ending)
        self.down_s = down_s
        self.ending = ending


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a simulation decides about its parties.

    Attributes:
        signer: of a party's key, by the party's name.
        watch: shown every effect of a party's core, by the party's name, before it is done; may
            raise :class:`Killed`.
        gateway_tick_s, aggregator_tick_s: how often time passes for a core.
    """

    signer: Callable[[str], Signer] = signer_of
    watch: Callable[[str, object], None] = lambda party, effect: None
    gateway_tick_s: float = _GATEWAY_TICK_S
    aggregator_tick_s: float = _AGGREGATOR_TICK_S


class Party:
    """What both kinds share: a link that is made at each start, a tick, and a death."""

    def __init__(
        self,
        queue: EventQueue,
        broker: VirtualBroker,
        path: Path,
        clock: PartyClock,
        rng: np.random.Generator,
        surroundings: Surroundings | None,
    ) -> None:
        self._around = surroundings or Surroundings()
        self._queue = queue
        self._broker = broker
        self._rng = rng
        self._link: VirtualLink | None = None
        self._life = 0
        self._waits = False
        self.path = path
        self.clock = clock

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._link is not None

    @property
    def life(self) -> int:
        """How often it has died."""
        return self._life

    def start(self) -> None:
        """Start, or start again from what is on disk."""
        try:
            self._start()
        except Killed as killed:
            self.crash(killed.down_s, killed.ending)
        except (StorageError, sqlite3.OperationalError):
            self.crash(_RESTART_S)

    def _start(self) -> None:
        raise NotImplementedError

    def crash(self, down_s: float, ending: Ending = Ending.RESET) -> None:
        """SIGKILL (RESET) or a power cut (SILENT); it is started again after ``down_s``."""
        if self._link is not None:
            self._link.crash(ending)
        elif self._waits:
            return
        self._link = None
        self._waits = True
        self._life += 1
        self._forget()
        self._queue.after(down_s, self._start_again)

    def _start_again(self) -> None:
        self._waits = False
        self.start()

    def _forget(self) -> None:
        raise NotImplementedError

    def _open(self, client: str, will: Publish, user: VirtualUser) -> None:
        self._link = VirtualLink(
            self._queue, self._broker, self.path, client, will, user, self._rng
        )

    def _every(self, seconds: float, call: Callable[[], None]) -> None:
        """Call again and again for as long as this life lasts."""
        life = self._life

        def again() -> None:
            if self._life == life:
                call()
                self._queue.after(seconds, again)

        self._queue.after(seconds, again)


class VirtualUser:
    """Hands what a link says to a party, for as long as that lives."""

    def __init__(
        self,
        connected: Callable[[], None],
        disconnected: Callable[[], None],
        received: Callable[[str, bytes], None],
        published: Callable[[str], None],
    ) -> None:
        self.connected = connected
        self.disconnected = disconnected
        self.received = received
        self.published = published
