"""What the settings of both sides share: the broker's address, and how a wrong value is refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from broker.protocol.errors import LocalProtocolError
from broker.protocol.topics import require_name

_DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}


class SettingError(ValueError):
    """A setting with a value that cannot be.

    Attributes:
        key: its name, dotted, such as ``"window.hop"``.
        reason: what a value looks like.
    """

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key}: {reason}")
        self.key = key
        self.reason = reason


def require_range(key: str, value: float, low: float, high: float) -> None:
    """Check a number.

    Raises:
        SettingError: it is outside ``low`` to ``high``.
    """
    if not low <= value <= high:
        raise SettingError(key, f"{value} is outside {low:g} to {high:g}")


def require_topic_name(key: str, value: str) -> None:
    """Check a name that stands in topics.

    Raises:
        SettingError: it may not.
    """
    try:
        require_name(key.rsplit(".", 1)[-1], value)
    except LocalProtocolError as error:
        raise SettingError(key, str(error)) from error


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """Where the broker is and how it knows us.

    Attributes:
        url: ``mqtt://host[:port]`` or ``mqtts://host[:port]``; may carry ``user:password@`` for a
            broker on this machine.
        urls: of a cluster's nodes, in the same form and with one scheme; they take ``url``'s place.
            Whichever is there is used, and the next when that goes.
        username: MQTT user name.
        password_file: file whose first line is the password (systemd's LoadCredential).
        ca_file: certificates that the broker's must chain to; the system's when not given.
        cert_file, key_file: our own certificate.
        keepalive_s: seconds of silence after which either side gives the connection up.

    Raises:
        SettingError: the address cannot be one.
    """

    url: str = "mqtt://127.0.0.1:1883"
    urls: tuple[str, ...] = ()
    username: str = ""
    password_file: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    keepalive_s: int = 60

    def __post_init__(self) -> None:
        if not self.urls:
            _address("broker.url", self.url)
        for url in self.urls:
            _address("broker.urls", url)
        if len({urlsplit(url).scheme for url in self.urls}) > 1:
            raise SettingError("broker.urls", "either all are mqtts:// or none is")
        require_range("broker.keepalive_s", self.keepalive_s, 5, 3600)

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Host and port of every node; one for a single broker."""
        return tuple(_address("broker.urls", url) for url in self.urls or (self.url,))

    @property
    def tls(self) -> bool:
        """Whether the link is encrypted."""
        return urlsplit(self._first).scheme == "mqtts"

    @property
    def _first(self) -> str:
        return self.urls[0] if self.urls else self.url

    def credentials(self) -> tuple[str, str | None] | None:
        """Return user name and password, if there are any.

        Raises:
            SettingError: the password file cannot be read.
        """
        parts = urlsplit(self._first)
        username = self.username or unquote(parts.username or "")
        if not username:
            return None
        if not self.password_file:
            return username, unquote(parts.password) if parts.password else None
        try:
            password = Path(self.password_file).read_text(encoding="utf-8")
        except OSError as error:
            reason = f"{self.password_file}: {error.strerror}"
            raise SettingError("broker.password_file", reason) from error
        return username, password.splitlines()[0] if password else ""


def _address(key: str, url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise SettingError(key, str(error)) from error
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or port == 0:
        raise SettingError(key, f"{url!r} is not mqtt://host[:port] or mqtts://host[:port]")
    return parts.hostname, port or _DEFAULT_PORTS[parts.scheme]
