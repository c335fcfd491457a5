"""Broker processes: found, started, awaited and ended."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path

_START_LIMIT_S = 20.0
_STOP_LIMIT_S = 10.0
# Debian puts daemons where a user's PATH does not look.
_SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class BrokerError(Exception):
    """A broker did not start.

    Attributes:
        broker: ``"mosquitto"``, ``"amqtt"`` or ``"nats-server"``.
        reason: what it said last.
    """

    def __init__(self, broker: str, reason: str) -> None:
        super().__init__(f"{broker}: {reason}")
        self.broker = broker
        self.reason = reason


def found_program(name: str) -> str | None:
    """Return the path of a daemon, or ``None``."""
    return shutil.which(name, path=_SEARCH_PATH)


def required_program(broker: str, name: str) -> str:
    """Return the path of a daemon.

    Raises:
        BrokerError: it is not installed.
    """
    if (found := found_program(name)) is None:
        raise BrokerError(broker, f"{name} is not installed")
    return found


def free_port(host: str) -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def require_port(broker: str, host: str, port: int) -> None:
    """Check that nobody listens on a port: who has it would answer in place of our broker.

    Raises:
        BrokerError: it is taken.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise BrokerError(broker, f"port {port}: {error.strerror}") from error


def start(command: list[str], log_path: Path, env: dict[str, str] | None = None) -> Process:
    """Start a daemon of ours, with its words appended to a log."""
    with log_path.open("ab") as log:
        return subprocess.Popen(  # noqa: S603  (our own command line)
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=env,
        )


def await_port(broker: str, process: Process, host: str, port: int, log_path: Path) -> None:
    """Wait until a process accepts connections.

    Raises:
        BrokerError: it ended, or does not accept any in time; it has been ended then.
    """
    limit = time.monotonic() + _START_LIMIT_S
    while time.monotonic() < limit:
        if process.poll() is not None:
            raise BrokerError(broker, f"ended at once: {_last_words(log_path)}")
        try:
            socket.create_connection((host, port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    stop(process)
    raise BrokerError(broker, f"accepts no connection on port {port}")


def stop(process: Process) -> None:
    """Ask a process to end, and make it end when it does not."""
    process.terminate()
    try:
        process.wait(_STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def kill(process: Process) -> None:
    """End a process with SIGKILL."""
    process.kill()
    process.wait()


def _last_words(log_path: Path) -> str:
    lines = log_path.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "nothing was said"


Process = subprocess.Popen[bytes]
