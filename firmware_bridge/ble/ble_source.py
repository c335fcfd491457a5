"""A sensor over Bluetooth LE."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

from firmware_bridge.ble.adapter import Adapter
from firmware_bridge.ble.radio import Advertisement, RadioLink
from firmware_bridge.ble.subscription import subscribe
from firmware_bridge.ble.supervisor import Supervisor
from firmware_bridge.errors import SourceError
from firmware_bridge.profile import Access, Profile
from firmware_bridge.raw_tap import NoTap, RawTap
from firmware_bridge.sample import Mark, Sample
from firmware_bridge.source import SourceCounters
from firmware_bridge.stream_decoder import profile_decoder

# Half a minute of the fastest wearable (Polar ECG, 2 frames a second, to raw oximeters at 60 Hz).
_QUEUE_VALUES = 2048


class BleSource:
    """Reads a sensor for months: it may be away, come, go, fall silent, and come back.

    Args:
        sensor: configured name of the sensor.
        profile: what it sends.
        adapter: shared with the other sensors of the same Bluetooth adapter.
        address: of the sensor; the first that advertises the profile's service when empty.
        interval_s: longest time between two values, instead of the profile's; 0 for the profile's.
        utc_offset_s: how far the sensor's civil clock is ahead of UTC.
        now_ns: Unix time in nanoseconds, for the time of arrival.
        counters: of this source; new ones unless given.
        tap: is told the values too.

    Raises:
        SourceError: the profile has no values that come over BLE by themselves.
    """

    def __init__(
        self,
        sensor: str,
        profile: Profile[Any],
        adapter: Adapter,
        *,
        address: str = "",
        interval_s: float = 0.0,
        utc_offset_s: int = 0,
        now_ns: Callable[[], int] = time.time_ns,
        counters: SourceCounters | None = None,
        tap: RawTap | None = None,
    ) -> None:
        if profile.gatt is None or profile.gatt.access is Access.READ:
            raise SourceError(sensor, f"{profile.name} has no values that come over BLE")
        self._sensor = sensor
        self.adapter = adapter
        self._gatt = profile.gatt
        self._address = address.upper()
        self._now_ns = now_ns
        self._counters = counters if counters is not None else SourceCounters()
        self._tap: RawTap = tap if tap is not None else NoTap()
        self._decoder = profile_decoder(sensor, profile, self._counters, utc_offset_s)
        self._values: deque[tuple[int, bytes]] = deque()
        self._arrived = asyncio.Event()
        self._closed = False
        self._reading = False
        self.supervisor = Supervisor(
            sensor,
            adapter,
            wanted=self._is_it,
            bond=self._gatt.bond,
            interval_s=interval_s or self._gatt.interval_s,
            subscribe=self._subscribe,
            received=self._received,
            counters=self._counters,
        )
        """Keeps the link; runs while the events are read."""

    @property
    def sensor(self) -> str:
        """Configured name of the sensor."""
        return self._sensor

    @property
    def counters(self) -> SourceCounters:
        """Live counters of this source."""
        return self._counters

    async def events(self) -> AsyncIterator[Sample | Mark]:
        """Yield samples and marks as they come; ends after ``close``. Close the iterator too.

        Raises:
            RuntimeError: the events are being read already.
        """
        if self._reading:
            raise RuntimeError(f"the events of sensor {self._sensor!r} are being read already")
        self._reading = True
        keeper = asyncio.create_task(self.supervisor.run(), name=f"ble {self._sensor}")
        # A supervisor ends by itself only by a mistake of ours, which whoever reads must get.
        keeper.add_done_callback(lambda _: self._arrived.set())
        try:
            while not self._closed and not keeper.done():
                await self._arrived.wait()
                self._arrived.clear()
                while self._values:
                    received_ns, value = self._values.popleft()
                    self._tap.received(received_ns, value)
                    for sample in self._decoder.receive(value, received_ns):
                        yield sample
            if keeper.done():
                keeper.result()
        finally:
            keeper.cancel()
            await asyncio.wait({keeper})
            self._reading = False

    def close(self) -> None:
        """End the events after those already received; from the loop's thread."""
        self._closed = True
        self._arrived.set()

    def _is_it(self, heard: Advertisement) -> bool:
        if self._address:
            return heard.address == self._address
        return self._gatt.service in heard.services

    async def _subscribe(self, link: RadioLink, received: Callable[[bytes], None]) -> None:
        self._decoder.line_reopened()
        self._tap.reopened()
        await subscribe(link, self._gatt, received, self._decoder.negotiated)

    def _received(self, value: bytes) -> None:
        if len(self._values) >= _QUEUE_VALUES:
            self._values.popleft()
            self._counters.overrun += 1
        self._values.append((self._now_ns(), value))
        self._arrived.set()
