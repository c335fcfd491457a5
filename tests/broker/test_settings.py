"""The broker's address, and how a wrong one is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.settings import BrokerSettings, SettingError


@pytest.mark.parametrize(
    ("url", "address", "tls"),
    [
        ("mqtt://broker", ("broker", 1883), False),
        ("mqtts://broker", ("broker", 8883), True),
        ("mqtt://user:pw@10.0.0.1:2000", ("10.0.0.1", 2000), False),
        ("mqtts://[::1]:8884", ("::1", 8884), True),
    ],
)
def test_an_address_comes_apart(url: str, address: tuple[str, int], tls: bool) -> None:
    settings = BrokerSettings(url)
    assert (settings.addresses, settings.tls) == ((address,), tls)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "broker",
        "http://broker",
        "mqtt://",
        "mqtt://:1883",
        "mqtt://b:0",
        "mqtt://b:70000",
        "mqtt://b:x",
        "mqtt://[::1",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(SettingError) as caught:
        BrokerSettings(url)
    assert caught.value.key == "broker.url"


@pytest.mark.parametrize("keepalive_s", [0, 4, 3601])
def test_the_keepalive_is_bounded(keepalive_s: int) -> None:
    with pytest.raises(SettingError, match=r"broker\.keepalive_s"):
        BrokerSettings(keepalive_s=keepalive_s)


def test_credentials_come_from_the_address_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("s3cret\nnot this\n")
    assert BrokerSettings().credentials() is None
    assert BrokerSettings("mqtt://a%40b:p%2Fw@host").credentials() == ("a@b", "p/w")
    assert BrokerSettings("mqtt://user@host").credentials() == ("user", None)
    assert BrokerSettings(username="u", password_file=str(file)).credentials() == ("u", "s3cret")
    file.write_text("")
    assert BrokerSettings(username="u", password_file=str(file)).credentials() == ("u", "")


def test_a_password_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    settings = BrokerSettings(username="u", password_file=str(tmp_path / "none"))
    with pytest.raises(SettingError, match="none: No such file") as caught:
        settings.credentials()
    assert caught.value.key == "broker.password_file"
