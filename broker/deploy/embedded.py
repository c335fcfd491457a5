"""A broker of one's own for the demo and for development: Mosquitto when installed, else amqtt.

It listens on 127.0.0.1 only, with a password made for this run, and is stopped with its owner.
"""

from __future__ import annotations

import json
import secrets
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

_USER = "perfuse"
_START_LIMIT_S = 20.0
_STOP_LIMIT_S = 10.0
_HOST = "127.0.0.1"


class BrokerError(Exception):
    """The embedded broker did not start.

    Attributes:
        broker: ``"mosquitto"`` or ``"amqtt"``.
        reason: what it said last.
    """

    def __init__(self, broker: str, reason: str) -> None:
        super().__init__(f"{broker}: {reason}")
        self.broker = broker
        self.reason = reason


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
    _process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.kind = self.kind or available()
        self.port = self.port or _free_port()

    @property
    def url(self) -> str:
        """Address with user name and password, for :class:`broker.settings.BrokerSettings`."""
        return f"mqtt://{_USER}:{self._password}@{_HOST}:{self.port}"

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
        self._require_port()
        self.directory.mkdir(parents=True, exist_ok=True)
        command = self._mosquitto() if self.kind == "mosquitto" else self._amqtt()
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  (our own command line)
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._await_port(self._process)

    def stop(self) -> None:
        """Ask it to end, and make it end when it does not."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill(self) -> None:
        """End it with SIGKILL, for tests of what survives that."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def _log_path(self) -> Path:
        return self.directory / f"{self.kind}.log"

    def _mosquitto(self) -> list[str]:
        passwords = self.directory / "passwords"
        maker = _mosquitto_program("mosquitto_passwd")
        passwords.unlink(missing_ok=True)
        subprocess.run(  # noqa: S603  (our own command line)
            [maker, "-b", "-c", str(passwords), _USER, self._password],
            check=True,
            capture_output=True,
        )
        config = self.directory / "mosquitto.conf"
        config.write_text(_MOSQUITTO_CONF.format(port=self.port, directory=self.directory))
        return [_mosquitto_program("mosquitto"), "-c", str(config)]

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

    def _require_port(self) -> None:
        # Who has it would answer in place of our broker, which ends a moment later.
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_HOST, self.port))
            except OSError as error:
                raise BrokerError(self.kind, f"port {self.port}: {error.strerror}") from error

    def _await_port(self, process: subprocess.Popen[bytes]) -> None:
        limit = time.monotonic() + _START_LIMIT_S
        while time.monotonic() < limit:
            if process.poll() is not None:
                self._process = None
                raise BrokerError(self.kind, f"ended at once: {self._last_words()}")
            try:
                socket.create_connection((_HOST, self.port), 1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        self.stop()
        raise BrokerError(self.kind, f"accepts no connection on port {self.port}")

    def _last_words(self) -> str:
        lines = self._log_path.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "nothing was said"


def installed() -> list[str]:
    """Return the kinds of broker that are installed, the better one first."""
    kinds = ["mosquitto"] if shutil.which("mosquitto", path=_SEARCH_PATH) else []
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


# Debian puts daemons where a user's PATH does not look.
_SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Unlimited queues, for a gateway may be away for days: Mosquitto would drop from 1,000 messages on.
_MOSQUITTO_CONF = """\
listener {port} 127.0.0.1
allow_anonymous false
password_file {directory}/passwords
persistence true
persistence_location {directory}/
autosave_interval 5
max_queued_messages 0
max_queued_bytes 268435456
message_size_limit 1048576
user root
log_dest stderr
log_type error
log_type warning
"""


def _mosquitto_program(name: str) -> str:
    found = shutil.which(name, path=_SEARCH_PATH)
    if found is None:
        raise BrokerError("mosquitto", f"{name} is not installed")
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])
