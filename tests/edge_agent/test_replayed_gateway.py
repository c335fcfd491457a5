"""A gateway with no hardware: its configuration names recordings."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from broker.settings import SettingError
from edge_agent.agent import Agent
from edge_agent.examples import ExampleStore
from edge_agent.sensor_settings import SensorSettings
from edge_agent.settings import AgentSettings
from edge_agent.sources import open_sources
from firmware_bridge.errors import RecordingError
from firmware_bridge.raw_recording import RawFrame, RecordingHeader
from firmware_bridge.raw_recording_file import RecordingWriter
from firmware_bridge.recording import RecordedSession, Segment
from firmware_bridge.recording_frames import segments_to_frames
from firmware_bridge.sample import Channel
from models.artifact import Artifact
from perfuse.configuration import load
from tests.edge_agent.conftest import STEP_NS, rhythm

CONFIGURATION = """\
population = "ward"
gateway = "bed-1"
model = "shoulder-cnn1d"
state_dir = "{folder}/state"
[broker]
url = "mqtt://127.0.0.1:9"
[quality]
min_score = 0.0
[[sensor]]
name = "watch"
kind = "replay"
file = "{folder}/watch.jsonl.gz"
speed = inf
faults = "drop=0.005,flip=0.005,disconnect=0.004,disconnect_s=3"
seed = 4
"""


@pytest.fixture
def configuration(tmp_path: Path, artifact: Artifact) -> Path:
    """A gateway whose watch is a recording of two minutes of one exercise."""
    channels = tuple(Channel(c.name, c.unit) for c in artifact.spec.channels)
    label = artifact.spec.classes[0]
    walk = Segment(label, 10**18, rhythm(0, 0, 6000, 1))
    session = RecordedSession(channels, STEP_NS, (walk,))
    header = RecordingHeader("watch", "perfuse_frame", "serial", 10**18, "0")
    with RecordingWriter(tmp_path / "watch.jsonl.gz", header) as writer:
        for due_ns, data in segments_to_frames(session):
            writer.add(RawFrame(10**18 + due_ns, "watch", "serial", data))
    path = tmp_path / "agent.toml"
    path.write_text(CONFIGURATION.format(folder=tmp_path))
    return path


def test_an_agent_runs_on_a_recording(configuration: Path, artifact: Artifact) -> None:
    settings = load(configuration, AgentSettings)
    (source,) = open_sources(settings.sensor)

    async def scenario() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(Agent(settings, artifact, (source,)).run(stop))
        async with asyncio.timeout(60):
            while not source.books.delivered or source.books.balance or not source.ended:
                await asyncio.sleep(0.01)
        stop.set()
        await running

    asyncio.run(scenario())
    assert source.books.right
    assert source.books.recorded == 6000
    assert source.counters.reopened == source.fault_counters.disconnects > 0
    path = Path(settings.state_dir) / "examples.sqlite"
    with closing(ExampleStore(path, artifact.spec.input_shape, 4096)) as store:
        # 59 windows of a recording without faults; each outage costs some.
        assert 10 < len(store) < 59


def test_a_recording_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"none\.jsonl: No such file"):
        open_sources([SensorSettings("x", kind="replay", file=str(tmp_path / "none.jsonl"))])


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({}, "sensor.file"),
        ({"file": "f", "profile": "heart_rate"}, "sensor.profile"),
        ({"file": "f", "speed": 0.0}, "sensor.speed"),
        ({"file": "f", "speed": float("nan")}, "sensor.speed"),
        ({"file": "f", "seed": -1}, "sensor.seed"),
        ({"file": "f", "faults": "drip=1"}, "sensor.faults"),
    ],
)
def test_a_wrong_replay_is_refused_by_its_key(options, key) -> None:
    with pytest.raises(SettingError) as caught:
        SensorSettings("x", kind="replay", **options)
    assert caught.value.key == key


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"port": "0403:601"}, "sensor.port"),
        ({"port": "/dev/ttyUSB0", "profile": "nonin"}, "sensor.profile"),
        ({"port": "/dev/ttyUSB0", "profile": "heart_rate"}, "sensor.profile"),
        ({"port": "/dev/ttyUSB0", "parity": "X"}, "sensor.parity"),
        ({"port": "/dev/ttyUSB0", "stop_bits": 3}, "sensor.stop_bits"),
        ({"kind": "ble", "profile": "auto"}, "sensor.address"),
    ],
)
def test_a_wrong_line_is_refused_by_its_key(options, key) -> None:
    with pytest.raises(SettingError) as caught:
        SensorSettings("x", **options)
    assert caught.value.key == key


def test_a_gateway_of_our_own_sensors_has_no_profiles_in_memory(tmp_path: Path) -> None:
    import subprocess
    import sys

    program = (
        "import sys; from edge_agent.sensor_settings import SensorSettings; "
        "from edge_agent.sources import open_sources; "
        "open_sources([SensorSettings('watch', '/dev/ttyUSB0')]); "
        "sys.exit(any(n.startswith('firmware_bridge.serial_profiles.n') or n == 'bleak' "
        "for n in sys.modules))"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", program], check=False, cwd=root).returncode == 0


def test_line_settings_are_the_profiles_unless_given() -> None:
    plain, own, other = open_sources(
        [
            SensorSettings("a", "/dev/a", profile="contec_5byte"),
            SensorSettings("b", "/dev/b"),
            SensorSettings("c", "/dev/c", profile="contec_5byte", baudrate=9600, parity="N"),
        ]
    )
    lines = [(s._line.baudrate, s._line.parity, s._line.stop_bits) for s in (plain, own, other)]
    assert lines == [(19200, "O", 1), (115200, "N", 1), (9600, "N", 1)]
    assert np.unique([id(s._hub) for s in (plain, own, other)]).size == 1
