"""What a sensor's supervisor needs of a Bluetooth stack; bleak and tests implement it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Advertisement:
    """A peripheral that was heard.

    Attributes:
        address: as the stack writes it, upper case.
        name: what it calls itself, if it said.
        services: 128-bit UUIDs that it advertises, lower case.
        rssi_dbm: how strong.
        handle: what the stack needs to connect to it.
    """

    address: str
    name: str | None
    services: frozenset[str]
    rssi_dbm: int
    handle: object = field(compare=False, repr=False)


class RadioLink(Protocol):
    """A connection; every method raises LinkError."""

    async def subscribe(self, characteristic: str, received: Callable[[bytes], None]) -> None:
        """Have values of a characteristic notified or indicated."""

    def notifies(self, characteristic: str) -> bool:
        """Whether the peripheral has that characteristic and notifies or indicates it."""

    async def write(self, characteristic: str, value: bytes) -> None:
        """Write a value and wait for the peripheral's word."""

    async def disconnect(self) -> None:
        """End it; nothing of it is used afterwards, whatever this raises."""


class Radio(Protocol):
    """One adapter of a Bluetooth stack."""

    def scanning(
        self, heard: Callable[[Advertisement], None]
    ) -> AbstractAsyncContextManager[object]:
        """Scan while the context is open; entering and leaving raise LinkError."""

    async def connect(
        self, found: Advertisement, *, bond: bool, dropped: Callable[[], None]
    ) -> RadioLink:
        """Connect, and bond where that is asked and not done yet.

        Args:
            found: heard not long ago.
            bond: whether the link must be encrypted with keys that both keep.
            dropped: called when the link ends and nobody here asked for it.

        Raises:
            LinkError: it did not work; nothing is left behind.
        """
