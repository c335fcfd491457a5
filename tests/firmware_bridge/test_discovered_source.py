import asyncio

import numpy as np
import pytest

from firmware_bridge.backoff import Backoff
from firmware_bridge.discovered_source import DiscoveredSource
from firmware_bridge.errors import SourceError
from firmware_bridge.sample import Mark


class Spoken:
    """A source of one mark."""

    sensor = "x"

    def __init__(self, name, counters):
        self.name = name
        self.counters = counters

    async def events(self):
        self.counters.frames += 1
        yield Mark("x", 1, self.name)


def discovered(answers):
    async def identify():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    backoff = Backoff(np.random.default_rng(1), floor_s=0.001, cap_s=0.002)
    return DiscoveredSource("x", identify, Spoken, backoff)


async def collect(source):
    return [event async for event in source.events()]


def test_a_sensor_is_asked_for_until_it_is_known(caplog):
    away = OSError("not plugged in")
    source = discovered([away, away, (), (), ("nonin_df2",)])
    assert asyncio.run(collect(source)) == [Mark("x", 1, "nonin_df2")]
    assert source.counters.frames == 1
    assert [record.message for record in caplog.records] == [
        "sensor x: not there, trying again: not plugged in",
        "sensor x: sends nothing that a profile fits, trying again",
    ]


def test_what_could_be_several_is_not_guessed():
    source = discovered([("healthypi", "healthypi5")])
    with pytest.raises(SourceError, match="could be healthypi or healthypi5; name its profile"):
        asyncio.run(collect(source))
