"""A broker of one's own for the demo and for development: Mosquitto when installed, else amqtt.

It listens on 127.0.0.1 only, with a password made for this run, and is stopped with its owner.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from broker.deploy.processes import (
    BrokerError,
    Process,
    await_port,
    found_program,
    free_port,
    kill,
    require_port,
    required_program,
    start,
    stop,
)
from broker.deploy.templates import filled

_USER = "perfuse"
_HOST = "127.0.0.1"


@dataclass(slots=True)
class EmbeddedBroker:
    """One broker process; keeps its files in ``directory`` and its port over restarts.

    Attributes:
        kind: ``"mosquitto"``, ``"amqtt"``, or ``""`` for the better one that is installed.
    """

    directory: Path
    kind: str = ""
    port: int = 0
    _password: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    _process: Process | None = None

    def __post_init__(self) -> None:
        self.kind = self.kind or available()
        self.port = self.port or free_port(_HOST)

    @property
    def url(self) -> str:
        """Address with user name and password, for :class:`broker.settings.BrokerSettings`."""
        return f"mqtt://{_USER}:{self._password}@{_HOST}:{self.port}"

    @property
    def urls(self) -> tuple[str, ...]:
        """The same as a list, as a cluster has one."""
        return (self.url,)

    @property
    def pid(self) -> int:
        """Process id of the running broker.

        Raises:
            BrokerError: it is not running.
        """
        if self._process is None:
            raise BrokerError(self.kind, "is not running")
        return self._process.pid

    def start(self) -> None:
        """Start and wait until it accepts connections.

        Raises:
            BrokerError: it ended, or did not accept connections in time, or its port is taken.
        """
        require_port(self.kind, _HOST, self.port)
        self.directory.mkdir(parents=True, exist_ok=True)
        command = self._mosquitto() if self.kind == "mosquitto" else self._amqtt()
        process = start(command, self._log_path)
        await_port(self.kind, process, _HOST, self.port, self._log_path)
        self._process = process

    def stop(self) -> None:
        """Ask it to end, and make it end when it does not."""
        process, self._process = self._process, None
        if process is not None:
            stop(process)

    def kill(self) -> None:
        """End it with SIGKILL, for tests of what survives that."""
        process, self._process = self._process, None
        if process is not None:
            kill(process)

    @property
    def _log_path(self) -> Path:
        return self.directory / f"{self.kind}.log"

    def _mosquitto(self) -> list[str]:
        passwords = self.directory / "passwords"
        maker = required_program("mosquitto", "mosquitto_passwd")
        passwords.unlink(missing_ok=True)
        subprocess.run(  # noqa: S603  (our own command line)
            [maker, "-b", "-c", str(passwords), _USER, self._password],
            check=True,
            capture_output=True,
        )
        config = self.directory / "mosquitto.conf"
        config.write_text(
            filled("mosquitto/embedded.conf", port=self.port, directory=self.directory)
        )
        return [required_program("mosquitto", "mosquitto"), "-c", str(config)]

    def _amqtt(self) -> list[str]:
        config = self.directory / "amqtt.json"
        config.write_text(
            json.dumps(
                {
                    "bind": f"{_HOST}:{self.port}",
                    "user": _USER,
                    "password": self._password,
                    "directory": str(self.directory),
                }
            )
        )
        config.chmod(0o600)
        return [sys.executable, "-m", "broker.deploy.amqtt_process", str(config)]


def installed() -> list[str]:
    """Return the kinds of broker that are installed, the better one first."""
    kinds = ["mosquitto"] if found_program("mosquitto") else []
    return kinds + (["amqtt"] if find_spec("amqtt") is not None else [])


def available() -> str:
    """Return the better broker that is installed.

    Raises:
        BrokerError: there is none; the reason says how to get one.
    """
    if kinds := installed():
        return kinds[0]
    raise BrokerError(
        "no broker", "install Debian's mosquitto, or amqtt with pip install 'perfuse[demo]'"
    )
