"""Sensors of the command line: on a controller in a virtual air, and on a pseudo-terminal."""

import asyncio
import os
import socket
import sys
from contextlib import aclosing
from itertools import islice

import numpy as np
import pytest
import serial
from bumble.controller import Controller
from bumble.transport import open_transport

from firmware_bridge.ble import Adapter, BleSource
from firmware_bridge.ble.bleak_radio import BleakRadio
from firmware_bridge.frame import Batch
from firmware_bridge.profiles import profile
from firmware_bridge.sampling import Arrival
from firmware_bridge.serial_profiles.resync import FrameScanner
from firmware_bridge.simulate.bleak_backend import bleak_backends
from firmware_bridge.simulate.physiology import model_names, model_values
from firmware_bridge.simulate.recorded import recorded_names
from firmware_bridge.simulate.virtual_air import VirtualAir
from perfuse.cli import main
from perfuse.exit_codes import ExitCode


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# bumble's tcp-server never closes the socket that it listens on.
@pytest.mark.filterwarnings("ignore:.*unclosed.*:ResourceWarning")
@pytest.mark.filterwarnings("ignore:.*socket.socket.*:pytest.PytestUnraisableExceptionWarning")
def test_a_gateway_reads_what_the_command_sends():
    async def run() -> None:
        port = _free_port()
        air = VirtualAir()
        scanner, client = bleak_backends(await air.gateway())
        radio = BleakRadio(scanner_backend=scanner, client_backend=client)
        source = BleSource("strap", profile("heart_rate"), Adapter(radio))
        async with await open_transport(f"tcp-server:127.0.0.1:{port}") as transport:
            Controller("there", transport.source, transport.sink, link=air._link)
            command = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "perfuse", "sensors", "simulate", "--speed", "50"),
                *("--profile", "heart_rate", "--transport", f"tcp-client:127.0.0.1:{port}"),
            )
            rates = []
            async with aclosing(source.events()) as events:
                async for sample in events:
                    if sample.stream == "heart_rate":
                        rates.append(sample.values[0, 0])
                    if len(rates) == 10:
                        break
            command.terminate()
            assert await command.wait() == ExitCode.OK
        assert all(40 < rate < 150 for rate in rates)
        assert len(set(np.array(rates))) > 1

    asyncio.run(asyncio.wait_for(run(), 30))


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--profile", "body_composition", "--transport", "usb:0"], ExitCode.USAGE, "no model of"),
        (["--profile", "nonin_df2", "--transport", "usb:0"], ExitCode.USAGE, "give it a --pty"),
        (["--profile", "heart_rate", "--pty", "p"], ExitCode.USAGE, "give it a --transport"),
        (["--profile", "nonin_df2", "--pty", "/no/where"], ExitCode.DATA, "/no/where"),
        (
            ["--profile", "nonin_df2", "--pty", "p", "--recording", "none.csv"],
            ExitCode.DATA,
            "none.csv",
        ),
        (["--profile", "heart_rate", "--transport", "usb:0"], ExitCode.DATA, "usb:0"),
        (["--profile", "hart_rate", "--transport", "usb:0"], ExitCode.DATA, "did you mean"),
        (
            ["--profile", "heart_rate", "--transport", "tcp-client:127.0.0.1:1"],
            ExitCode.DATA,
            "tcp-client:127.0.0.1:1",
        ),
    ],
)
def test_what_cannot_be_simulated_is_said(options, code, words, capsys):
    assert main(["sensors", "simulate", *options]) == code
    assert words in capsys.readouterr().err


def test_the_help_says_what_a_recording_can_be_sent_as(capsys):
    with pytest.raises(SystemExit):
        main(["sensors", "simulate", "--help"])
    _, _, rest = capsys.readouterr().out.partition("It can be sent as")
    recorded, _, rest = rest.partition("these have a model only, and no recording:")
    modelled, _, _ = rest.partition("\n\n")
    assert sorted(recorded.rstrip(";\n").split()) == sorted([*recorded_names(), "perfuse_frame"])
    assert modelled.split() == sorted(set(model_names()) - set(recorded_names()))


def test_a_profile_with_a_model_only_refuses_a_recording(tmp_path, capsys):
    recording = tmp_path / "walk.csv"
    recording.write_text("seconds,level\n0,90\n60,89\n")
    options = ["--profile", "battery", "--transport", "usb:0", "--recording", str(recording)]
    assert main(["sensors", "simulate", *options]) == ExitCode.USAGE
    assert "no recording can be sent as 'battery', only as" in capsys.readouterr().err


SERIAL = [
    "contec_5byte",
    "contec_9byte",
    "bci_5byte",
    "nonin_df2",
    "openbci_cyton",
    "healthypi",
    "healthypi5",
]
RECORDED = {
    "contec_5byte": "spo2,pulse_rate,pleth",
    "openbci_cyton": ",".join(f"ch{i}" for i in range(1, 9)) + ",ax,ay,az",
    "perfuse_frame": "ax/[g],ay/[g]",
}


def readings_on_a_pty(tmp_path, name, count, *options):
    """Measurements that a reader of the port gets from the command, cut as a gateway cuts them."""
    found = profile(name)
    port = tmp_path / "sensor"

    async def run():
        command = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "perfuse", "sensors", "simulate", "--profile", name),
            *("--pty", str(port), "--speed", "200", *options),
        )
        while not port.is_symlink():
            await asyncio.sleep(0.01)
        frames = await read_port(port, found, count)
        if "--count" not in options:
            command.terminate()
        assert await command.wait() == ExitCode.OK
        assert not port.is_symlink()
        return frames

    frames = asyncio.run(asyncio.wait_for(run(), 30))
    return [found.decode(frame) for frame in frames]


async def read_port(port, found, count):
    """Frames of a port that is opened as pyserial does."""
    with serial.Serial(str(port), 115200, timeout=0) as line:
        if found.serial is not None:
            line.write(found.serial.start)
        scanner = FrameScanner(found.serial) if found.serial is not None else None
        frames, pending = [], b""
        while len(frames) < count:
            await asyncio.sleep(0.005)
            data = os.read(line.fileno(), 4096) if line.in_waiting else b""
            if scanner is not None:
                frames += scanner.feed(data)
            else:
                *lines, pending = (pending + data).split(b"\0")
                frames += [part + b"\0" for part in lines]
    return frames[:count]


@pytest.mark.parametrize("name", [*SERIAL, "perfuse_frame"])
def test_a_pty_sends_the_frames_of_the_model(tmp_path, name):
    found = profile(name)
    read = readings_on_a_pty(tmp_path, name, 30, "--seed", "5")
    if name == "perfuse_frame":
        assert {type(message).__name__ for message in read} == {
            "StreamDescription",
            "MarkMessage",
            "Batch",
        }
        return
    modelled = islice(model_values(name, np.random.default_rng(5)), 30)
    assert read == [found.decode(value) for value in modelled]


@pytest.mark.parametrize("name", RECORDED)
def test_a_pty_sends_what_was_recorded_and_ends(tmp_path, name):
    columns = RECORDED[name]
    width = columns.count(",") + 1
    rows = [[0.01 * i, *([float(i % 4)] * width)] for i in range(40)]
    lines = [",".join(map(str, row)) for row in rows]
    recording = tmp_path / "recording.csv"
    recording.write_text("\n".join([f"seconds,{columns}", *lines]))
    read = readings_on_a_pty(tmp_path, name, 6, "--recording", str(recording), "--count", "6")
    if name == "perfuse_frame":
        batches = [message for message in read if isinstance(message, Batch)]
        assert [batch.timestamp_ns for batch in batches] == [0, 10**8, 2 * 10**8, 3 * 10**8]
        return
    if name == "openbci_cyton":
        arrival = Arrival(sensor="sensor", received_ns=0)
        sent = [profile(name).to_samples(m, arrival)[0].values[0, 0] for m in read]
    else:
        sent = [m.waveform for m in read]
    assert np.allclose(sent, [0, 1, 2, 3, 0, 1], atol=0.02)
