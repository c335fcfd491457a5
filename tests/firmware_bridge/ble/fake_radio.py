"""A radio without a stack: what connects, hangs and fails is to order."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from firmware_bridge.ble.radio import Advertisement
from firmware_bridge.errors import LinkError

_SERVICE = "0000180d-0000-1000-8000-00805f9b34fb"


class FakeLink:
    """A link that keeps who listens, so that a test can speak after its end."""

    def __init__(self, dropped: Callable[[], None], *, closes: bool) -> None:
        self.dropped = dropped
        self.received: Callable[[bytes], None] | None = None
        self.closes = closes
        self.closed = False

    async def subscribe(self, characteristic: str, received: Callable[[bytes], None]) -> None:
        self.received = received

    def notifies(self, characteristic: str) -> bool:
        return True

    async def write(self, characteristic: str, value: bytes) -> None:
        pass

    async def disconnect(self) -> None:
        if not self.closes:
            await asyncio.Event().wait()
        self.closed = True


class FakeRadio:
    """Hears the addresses that it is given, over and over.

    Attributes:
        hanging: addresses whose connect never ends.
        refusals: address -> how many of its next connects fail.
        closes: whether a disconnect ends.
        links: made, by address, oldest first.
        scans, scanning_now: begun so far, and open at this moment.
        connecting_now, most_at_once: connects under way, and the most that were.
    """

    def __init__(self, *addresses: str) -> None:
        self.addresses = set(addresses)
        self.hanging: set[str] = set()
        self.refusals: dict[str, int] = {}
        self.closes = True
        self.links: dict[str, list[FakeLink]] = {address: [] for address in addresses}
        self.scans = self.scanning_now = 0
        self.connecting_now = self.most_at_once = 0

    @asynccontextmanager
    async def scanning(self, heard: Callable[[Advertisement], None]) -> AsyncIterator[None]:
        self.scans += 1
        self.scanning_now += 1
        advertising = asyncio.create_task(self._advertise(heard))
        try:
            yield
        finally:
            self.scanning_now -= 1
            advertising.cancel()

    async def connect(
        self, found: Advertisement, *, bond: bool, dropped: Callable[[], None]
    ) -> FakeLink:
        self.connecting_now += 1
        self.most_at_once = max(self.most_at_once, self.connecting_now)
        try:
            await asyncio.sleep(0.01)
            if found.address in self.hanging:
                await asyncio.Event().wait()
            if self.refusals.get(found.address, 0):
                self.refusals[found.address] -= 1
                raise LinkError("connect", "refused to order")
        finally:
            self.connecting_now -= 1
        link = FakeLink(dropped, closes=self.closes)
        self.links[found.address].append(link)
        return link

    async def _advertise(self, heard: Callable[[Advertisement], None]) -> None:
        while True:
            await asyncio.sleep(0.005)
            for address in sorted(self.addresses):
                heard(Advertisement(address, None, frozenset({_SERVICE}), -60, None))
