"""The demo's processes: a broker, an aggregator, an agent per gateway, and their sensors' ptys."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from firmware_bridge.recording import RecordedSession
from firmware_bridge.recording_frames import TimedFrame, segments_to_frames
from firmware_bridge.replay_pty import PtyReplay

if TYPE_CHECKING:
    from firmware_bridge.simulate.virtual_port import VirtualPort

_MARKER = ".perfuse-demo"
_STOP_LIMIT_S = 10.0
# A process that dies more often than this is broken, not killed.
_RESTARTS = 5


class DemoError(Exception):
    """The demo cannot go on; the reason says why and where to look."""


def prepare(directory: Path) -> None:
    """Make an empty directory for a run, clearing the run before it.

    Raises:
        DemoError: the directory holds something that no demo has made.
    """
    if directory.exists():
        if any(directory.iterdir()) and not (directory / _MARKER).exists():
            raise DemoError(f"{directory} is not empty and not a demo's; name another with --out")
        shutil.rmtree(directory)
    directory.mkdir(parents=True)
    (directory / _MARKER).touch()


@dataclass(slots=True)
class Cast:
    """Runs ``perfuse`` services as a supervisor would: what dies is started again.

    Attributes:
        directory: where configurations, logs and process ids are written.
        said: called with a line when a process is started again.
    """

    directory: Path
    said: Callable[[str], None]
    _processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)

    async def play(self, name: str, command: str, settings: dict[str, object]) -> None:
        """Run a service until it ends by itself, starting it again when it is killed.

        Raises:
            DemoError: it ended with an error, or died too often.
        """
        config = self.directory / f"{name}.toml"
        config.write_text(to_toml(settings))
        config.chmod(0o600)  # it holds the broker's password
        log = self.directory / f"{name}.log"
        for _ in range(_RESTARTS):
            code = await self._run(name, command, config, log)
            if code == 0:
                return
            if code > 0:
                raise DemoError(f"{name} ended with exit code {code}; see {log}")
            self.said(f"{name} was killed (signal {-code}); starting it again")
        raise DemoError(f"{name} died {_RESTARTS} times; see {log}")

    async def close(self) -> None:
        """Ask every process to end, and make those end that do not."""
        running = [p for p in self._processes.values() if p.returncode is None]
        for process in running:
            process.terminate()
        waits = [asyncio.create_task(process.wait()) for process in running]
        if waits:
            _, late = await asyncio.wait(waits, timeout=_STOP_LIMIT_S)
            if late:
                for process in running:
                    if process.returncode is None:
                        process.kill()
                await asyncio.wait(late)

    async def _run(self, name: str, command: str, config: Path, log: Path) -> int:
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        with log.open("ab") as out:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "perfuse", command, "--config", str(config)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                # Ctrl-C is for the demo, which then ends its processes in order.
                start_new_session=True,
                env=environment,
            )
        self._processes[name] = process
        (self.directory / f"{name}.pid").write_text(f"{process.pid}\n")
        return await process.wait()


async def replay(session: RecordedSession, link: Path, speed: float) -> None:
    """Send a recorded session through a pty at ``link`` for as long as the demo runs.

    The port stays after the last frame, as a sensor does that is still worn.
    """
    with PtyReplay(segments_to_frames(session), speed=speed, link=link) as pty:
        await pty.run()
        await asyncio.Event().wait()


async def replay_over_bluetooth(
    session: RecordedSession, port: VirtualPort, address: str, speed: float
) -> None:
    """Be a Bluetooth sensor with a recorded session for as long as the demo runs.

    The radio is simulated: an air of this sensor's own, and ``port`` as the gateway's door to it.
    """
    from firmware_bridge.gatt import perfuse_frame
    from firmware_bridge.profiles import profile
    from firmware_bridge.simulate.on_transport import send_frames
    from firmware_bridge.simulate.peripheral import Peripheral
    from firmware_bridge.simulate.virtual_air import VirtualAir

    air = VirtualAir()
    serving = asyncio.create_task(port.serve(air), name="virtual port")
    sensor = Peripheral(air.device("watch", address), profile(perfuse_frame.NAME))
    try:
        await sensor.start()
        await send_frames(sensor, _worn(segments_to_frames(session)), speed)
    finally:
        serving.cancel()
        await asyncio.wait({serving})


def _worn(frames: Iterable[TimedFrame]) -> Iterator[TimedFrame]:
    """The frames, and then for ever what a sensor repeats each second: its state."""
    due_ns, description, last = 0, b"", b""
    for due_ns, last in frames:
        description = description or last
        yield due_ns, last
    for seconds in count(1):
        yield due_ns + seconds * 10**9, description + last


def to_toml(table: dict[str, object]) -> str:
    """Write a table of texts, numbers, arrays, tables and arrays of tables."""
    plain, tables = [], []
    for key, value in table.items():
        if isinstance(value, dict):
            tables.append(f"\n[{key}]\n{to_toml(value)}")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            tables += [f"\n[[{key}]]\n{to_toml(item)}" for item in value]
        else:
            # JSON's texts, numbers and arrays are TOML's too.
            plain.append(f"{key} = {json.dumps(value)}\n")
    return "".join(plain + tables)
