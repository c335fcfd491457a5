"""Our own frame over Bluetooth: a sensor in this air, a gateway's adapter behind a TCP port."""

import asyncio
from contextlib import aclosing, asynccontextmanager, suppress
from itertools import islice

import numpy as np
import pytest

from firmware_bridge.ble import Adapter, BleSource, LinkLimits
from firmware_bridge.errors import LinkError
from firmware_bridge.gatt import perfuse_frame
from firmware_bridge.profiles import profile
from firmware_bridge.recording import RecordedSession, Segment
from firmware_bridge.recording_frames import segments_to_frames, session_scales
from firmware_bridge.sample import Channel, Mark, Sample
from firmware_bridge.simulate.on_transport import send_frames
from firmware_bridge.simulate.peripheral import Peripheral
from firmware_bridge.simulate.virtual_adapter import PREFIX, VirtualRadio, open_virtual_adapter
from firmware_bridge.simulate.virtual_air import VirtualAir
from firmware_bridge.simulate.virtual_port import VirtualPort

ADDRESS = "F1:00:00:00:00:07"
LIMITS = LinkLimits(backoff_floor_s=0.02, backoff_cap_s=0.1)
INTERVAL = 20_000_000
READINGS = np.random.default_rng(3).normal(size=(400, 6)).astype(np.float32)
CHANNELS = tuple(Channel(f"c{i}", "[g]") for i in range(6))
SESSION = RecordedSession(CHANNELS, INTERVAL, (Segment("walk", 10**18, READINGS),))


@asynccontextmanager
async def worn(frames):
    """A sensor with these frames, sent at once; its port."""
    air, port = VirtualAir(), VirtualPort()
    serving = asyncio.create_task(port.serve(air))
    peripheral = Peripheral(air.device("watch", ADDRESS), profile(perfuse_frame.NAME))
    await peripheral.start()
    sending = asyncio.create_task(send_frames(peripheral, frames, 1000.0))
    try:
        yield port, peripheral
    finally:
        for task in (sending, serving):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await peripheral.leave()


@asynccontextmanager
async def gateway(port):
    """A source on an adapter that is powered off at the end without a word, as by a power cut."""
    radio = VirtualRadio(port.adapter.removeprefix(PREFIX))
    adapter = Adapter(radio, limits=LIMITS, rng=np.random.default_rng(1))
    try:
        yield BleSource("watch", profile(perfuse_frame.NAME), adapter, address=ADDRESS)
    finally:
        await radio.close()


def in_time(scenario):
    asyncio.run(asyncio.wait_for(scenario, 30))


def test_a_recording_arrives_whole_with_its_times_labels_and_scales():
    async def scenario():
        async with worn(segments_to_frames(SESSION)) as (port, _), gateway(port) as source:
            read = []
            async with aclosing(source.events()) as events:
                async for event in events:
                    read.append(event)
                    if isinstance(event, Mark) and event.label is None:
                        break
        samples = [event for event in read if isinstance(event, Sample)]
        values = np.concatenate([sample.values for sample in samples])
        assert (np.abs(values - READINGS) <= 0.51 * np.array(session_scales(SESSION))).all()
        assert samples[0].timestamp_ns == 10**18
        assert samples[0].channels == CHANNELS
        assert read[0] == Mark("watch", 10**18, "walk")
        counters = source.counters
        assert counters.readings == len(READINGS)
        assert counters.malformed == counters.missing == counters.undescribed == 0

    in_time(scenario())


async def take(source, count):
    """So many samples, and then the link is left as it is."""
    events = source.events()
    taken = 0
    async for event in events:
        taken += isinstance(event, Sample)
        if taken == count:
            break
    return events


async def connected(radio):
    """A bonded, subscribed link of a gateway that does nothing else."""
    found = asyncio.get_running_loop().create_future()

    def heard(advertisement):
        if not found.done():
            found.set_result(advertisement)

    async with radio.scanning(heard):
        near = await found
    link = await radio.connect(near, bond=True, dropped=lambda: None)
    await link.subscribe(perfuse_frame.CHARACTERISTIC, lambda _: None)


def test_a_gateway_that_was_cut_off_is_replaced_by_another_one():
    async def scenario():
        async with worn(segments_to_frames(SESSION, loops=None)) as (port, peripheral):
            radio = VirtualRadio(port.adapter.removeprefix(PREFIX))
            await connected(radio)
            assert peripheral.subscribed
            # As SIGKILL does: no word over the air. The sensor notices all the same, and bonds
            # with the next one, which has none of the keys.
            await radio.close()
            while peripheral.subscribed:
                await asyncio.sleep(0.01)
            async with gateway(port) as source:
                events = await take(source, 5)
                assert source.counters.readings >= 50
                assert source.counters.malformed == 0
                await events.aclose()

    in_time(scenario())


def test_what_is_lost_on_the_air_is_counted_and_costs_nothing_after():
    frames = [frame for _, frame in segments_to_frames(SESSION)]

    async def scenario():
        # Every third batch without its second half, which is a notification that never came.
        cut = [f[: len(f) // 2] if i > 2 and i % 3 == 0 else f for i, f in enumerate(frames)]
        async with (
            worn(enumerate(cut)) as (port, _),
            gateway(port) as source,
            aclosing(source.events()) as events,
        ):
            async for event in events:
                if isinstance(event, Mark) and event.label is None:
                    break
        counters = source.counters
        assert counters.malformed > 5
        assert counters.readings > 100
        assert 10 * (counters.missing + 1) + counters.readings >= 300

    in_time(scenario())


def test_a_port_that_nobody_serves_is_an_error_of_the_link():
    async def scenario():
        port = VirtualPort()
        port.close()
        radio = VirtualRadio(port.adapter.removeprefix(PREFIX))
        with pytest.raises(LinkError, match="virtual:127"):
            async with radio.scanning(lambda _: None):
                pass
        assert open_virtual_adapter(port.adapter).radio is not None

    in_time(scenario())


def test_a_long_frame_is_cut_to_what_a_notification_holds():
    frames = [frame for _, frame in islice(segments_to_frames(SESSION, readings_per_batch=300), 8)]
    assert max(map(len, frames)) > 3000

    async def scenario():
        async with worn(enumerate(frames)) as (port, _), gateway(port) as source:
            events = await take(source, 2)
            await events.aclose()
            assert source.counters.readings == 400
            assert source.counters.malformed == 0

    in_time(scenario())
