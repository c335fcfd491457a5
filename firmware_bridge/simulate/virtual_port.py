"""A door into a virtual air for the adapter of another process; see ``virtual_adapter``."""

from __future__ import annotations

import asyncio
import socket

from bumble.controller import Controller
from bumble.hci import HCI_CONNECTION_TIMEOUT_ERROR
from bumble.ll import TerminateInd
from bumble.transport.common import PacketParser

from firmware_bridge.simulate.virtual_air import VirtualAir

_READ_BYTES = 4096


class VirtualPort:
    """Listens from construction on. Who connects gets a controller in the air while it stays.

    Only processes of this machine reach it.

    Attributes:
        adapter: what to name the adapter in a gateway's configuration.

    Raises:
        OSError: no port is to be had.
    """

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        host, port = self._socket.getsockname()
        self.adapter = f"virtual:{host}:{port}"

    async def serve(self, air: VirtualAir) -> None:
        """Let adapters in until cancelled."""

        async def let_in(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await _be_controller(air, reader, writer)

        server = await asyncio.start_server(let_in, sock=self._socket)
        try:
            await asyncio.Event().wait()
        finally:
            server.close()

    def close(self) -> None:
        """Listen no more; for a port that is not served yet."""
        self._socket.close()


async def _be_controller(
    air: VirtualAir, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    controller = air.controller("gateway")
    controller.host = _Sink(writer)
    parser = PacketParser(controller)
    try:
        while data := await reader.read(_READ_BYTES):
            parser.feed_data(data)
    except ConnectionError:
        pass  # killed: the same as a power cut
    finally:
        _power_off(air, controller)
        writer.close()


def _power_off(air: VirtualAir, controller: Controller) -> None:
    """What its peers notice when a controller is gone: their links time out."""
    controller.host = None
    for connection in list(controller.le_connections.values()):
        connection.send_ll_control_pdu(TerminateInd(HCI_CONNECTION_TIMEOUT_ERROR))
    air.remove(controller)


class _Sink:
    """Sends a controller's packets to its host."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def on_packet(self, packet: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(packet)
