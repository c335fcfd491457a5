"""A sensor of the command line on a controller, read by a gateway in the same virtual air."""

import asyncio
import socket
import sys
from contextlib import aclosing

import numpy as np
import pytest
from bumble.controller import Controller
from bumble.transport import open_transport

from firmware_bridge.ble import Adapter, BleSource
from firmware_bridge.ble.bleak_radio import BleakRadio
from firmware_bridge.profiles import profile
from firmware_bridge.simulate.bleak_backend import bleak_backends
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
        (["--profile", "glucose", "--transport", "usb:0"], ExitCode.USAGE, "no model of"),
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
