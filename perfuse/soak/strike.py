"""Does to a federation what its schedule says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

from perfuse.link.timeline import Ending
from perfuse.simulation.aggregator_party import AggregatorParty
from perfuse.simulation.gateway_party import GatewayParty
from perfuse.simulation.party import Killed
from perfuse.soak.schedule import Fault, FaultKind
from perfuse.soak.tripwire import Tripwire
from perfuse.virtual.broker import VirtualBroker
from perfuse.virtual.event_queue import EventQueue

_OF_THE_BROKER = (FaultKind.BROKER_CRASH, FaultKind.BROKER_AMNESIA)
_OF_THE_LINK = (FaultKind.CUT_RESET, FaultKind.CUT_SILENT)
_SILENT = (FaultKind.POWER_CUT, FaultKind.POWER_CUT_INSIDE, FaultKind.CUT_SILENT)


class Disk(Protocol):
    """What can be full."""

    def fill_disk(self, *, full: bool) -> None:
        """Let nothing be written, or let it be written again."""


class Striker:
    """Knows everything that can be hit, by the party's name."""

    def __init__(
        self,
        queue: EventQueue,
        broker: VirtualBroker,
        parties: Mapping[str, AggregatorParty | GatewayParty],
        tripwires: Mapping[str, Tripwire],
        disks: Mapping[str, Disk],
    ) -> None:
        self._queue = queue
        self._broker = broker
        self._parties = parties
        self._tripwires = tripwires
        self._disks = disks
        self._waiting: Callable[[], None] | None = None

    def strike(self, fault: Fault) -> None:
        """Let a fault happen, or arm what lets it happen inside of something."""
        kind, after = fault.kind, fault.lasting_s
        ending = Ending.SILENT if kind in _SILENT else Ending.RESET
        if kind in _OF_THE_BROKER:
            self._broker.crash(forgets=kind is FaultKind.BROKER_AMNESIA)
            self._queue.after(after, self._broker.restart)
        elif kind in _OF_THE_LINK:
            path = self._parties[fault.party].path
            path.go_down(ending)
            self._queue.after(after, path.come_up)
        elif kind in (FaultKind.KILL_INSIDE, FaultKind.POWER_CUT_INSIDE):
            self._arm(fault, partial(_kill, after, ending))
        elif kind is FaultKind.FULL_DISK:
            self._arm(fault, partial(self._fill, fault))
        else:
            party = self._parties[fault.party]
            party.clock.offset_s += fault.jump_s if kind is FaultKind.CLOCK_JUMP else 0.0
            party.crash(after, ending)

    def round_ends(self) -> None:
        """A round is about to end: arm what has waited for that."""
        arm, self._waiting = self._waiting, None
        if arm is not None:
            arm()

    def _arm(self, fault: Fault, act: Callable[[], None]) -> None:
        arm = partial(self._tripwires[fault.party].arm, fault.steps, act)
        if fault.at_round_end:
            self._waiting = arm
        else:
            arm()

    def _fill(self, fault: Fault) -> None:
        disk = self._disks[fault.party]
        disk.fill_disk(full=True)
        self._queue.after(fault.lasting_s, partial(disk.fill_disk, full=False))


def _kill(down_s: float, ending: Ending) -> None:
    raise Killed(down_s, ending)
