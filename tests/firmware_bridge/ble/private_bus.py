"""A message bus of the test's own, which can be killed and begun again under the same address."""

import asyncio
import shutil
from pathlib import Path

DAEMON = shutil.which("dbus-daemon")

_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""


class PrivateBus:
    """A dbus-daemon; its address is for DBUS_SYSTEM_BUS_ADDRESS."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "bus"
        self._config = folder / "bus.conf"
        self._config.write_text(_CONFIG.format(socket=self._socket), encoding="utf-8")
        self._process: asyncio.subprocess.Process | None = None

    @property
    def address(self) -> str:
        return f"unix:path={self._socket}"

    async def start(self) -> None:
        assert DAEMON is not None
        self._socket.unlink(missing_ok=True)
        self._process = await asyncio.create_subprocess_exec(
            DAEMON, f"--config-file={self._config}", "--nofork", "--nopidfile"
        )
        while not await self._answers():
            await asyncio.sleep(0.005)

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_unix_connection(self._socket)
        except OSError:  # not bound yet, or bound and not listening
            return False
        writer.close()
        return True

    async def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            self._process = None
