"""The MQTT link of both sides: paho-mqtt under asyncio, MQTT 3.1.1 features only.

This is the one module that imports paho. It reconnects by itself, with jittered, capped backoff,
and acknowledges a message only after the core has taken it, so that a crash between the two makes
the broker send it again. A broker that ends each connection soon has another client of our id, see
:mod:`broker.ousting`: then it waits longer and longer, up to minutes.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
import time
import zlib
from collections.abc import Callable
from typing import Protocol

from broker.lazy_import import import_lazily
from broker.ousting import OustWatch
from broker.protocol.effects import Publish, Subscribe, Unsubscribe
from broker.settings import BrokerSettings, SettingError

# paho looks for proxies with it, where PySocks is installed; http and email come along: 2 MB.
import_lazily("urllib.request")

import paho.mqtt.client as paho  # noqa: E402  (below what makes it small)
from paho.mqtt.enums import CallbackAPIVersion  # noqa: E402
from paho.mqtt.reasoncodes import ReasonCode  # noqa: E402

_LOG = logging.getLogger(__name__)
_FIRST_RECONNECT_S = 1
_LAST_RECONNECT_S = 60


_STARTED_UNIX_S = time.time() - time.monotonic()


def steady_unix_s() -> float:
    """Unix seconds that never step back, nor jump with the clock, while the process lives."""
    return _STARTED_UNIX_S + time.monotonic()


class LinkUser(Protocol):
    """What a link calls, always on the event loop."""

    def connected(self) -> None:
        """The broker has accepted us."""

    def disconnected(self) -> None:
        """The connection is gone; the link is trying again."""

    def received(self, topic: str, payload: bytes) -> None:
        """A message; it is acknowledged when this returns, and comes again when it raises."""

    def published(self, token: str) -> None:
        """The broker has acknowledged a publication that had a token."""


class MqttLink:
    """One persistent MQTT session under a stable client id.

    Must be made and used on a running event loop; paho's own thread does the I/O.
    """

    def __init__(
        self, settings: BrokerSettings, client_id: str, will: Publish, user: LinkUser
    ) -> None:
        self._settings = settings
        self._client_id = client_id
        self._user = user
        self._loop = asyncio.get_running_loop()
        self._unacknowledged: dict[int, str] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = asyncio.Event()
        self._refused = ""
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            clean_session=False,
            protocol=paho.MQTTv311,
            manual_ack=True,
        )
        client.will_set(will.topic, will.payload, qos=1, retain=will.retain)
        if (credentials := settings.credentials()) is not None:
            client.username_pw_set(*credentials)
        if settings.tls:
            client.tls_set_context(_tls_context(settings))
        # Many gateways lose a broker together; they must not all come back together.
        first, last = _FIRST_RECONNECT_S, 3 * _FIRST_RECONNECT_S
        self._first_s = random.randint(first, last)  # noqa: S311  (jitter, not a secret)
        client.reconnect_delay_set(self._first_s, _LAST_RECONNECT_S)
        self._ousts = OustWatch(random.random)
        self._waits_long = False
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        self._client = client
        # The gateways of a population share a cluster's nodes out among themselves.
        self._node = zlib.crc32(client_id.encode()) % len(settings.addresses)

    @property
    def idle(self) -> bool:
        """Whether the broker has acknowledged all that was published."""
        return self._idle.is_set()

    def open(self) -> None:
        """Begin to connect; returns at once."""
        self._aim()
        self._client.loop_start()

    async def drain(self, timeout_s: float) -> None:
        """Wait until the broker has acknowledged everything, at most ``timeout_s``."""
        try:
            await asyncio.wait_for(self._idle.wait(), timeout_s)
        except TimeoutError:
            _LOG.warning("%d messages were not acknowledged", len(self._unacknowledged))

    async def close(self) -> None:
        """Disconnect in order (the will is not sent) and stop paho's thread."""
        self._closed.set()
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    def apply(self, effect: Publish | Subscribe | Unsubscribe) -> None:
        """Do what a core asked for."""
        if isinstance(effect, Publish):
            info = self._client.publish(effect.topic, effect.payload, qos=1, retain=effect.retain)
            self._unacknowledged[info.mid] = effect.token
            self._idle.clear()
        elif isinstance(effect, Subscribe):
            self._client.subscribe(effect.topic_filter, qos=1)
        else:
            self._client.unsubscribe(effect.topic_filter)

    def _on_connect(
        self, client: object, data: object, flags: object, reason: ReasonCode, properties: object
    ) -> None:
        del client, data, flags, properties
        if reason.is_failure:
            self._say_refusal(str(reason))
        else:
            self._refused = ""
            self._ousts.connected(time.monotonic())
            _LOG.info("connected to the broker at %s:%d", *self._address)
            self._on_loop(self._user.connected)

    def _on_connect_fail(self, client: object, data: object) -> None:
        del client, data
        self._say_refusal("no connection")
        self._ousts.unreachable()
        self._wait(0.0)
        self._roam()

    def _on_disconnect(
        self, client: object, data: object, flags: object, reason: ReasonCode, properties: object
    ) -> None:
        del client, data, flags, properties
        if not self._closed.is_set():
            _LOG.warning("the link to the broker is down (%s); trying again", reason)
            self._heed_ousting(reason)
            self._roam()
            self._on_loop(self._user.disconnected)

    def _on_message(self, client: paho.Client, data: object, message: paho.MQTTMessage) -> None:
        del client, data
        self._on_loop(lambda: self._take(message))

    def _take(self, message: paho.MQTTMessage) -> None:
        self._user.received(message.topic, bytes(message.payload))
        self._client.ack(message.mid, message.qos)

    def _on_publish(
        self, client: object, data: object, mid: int, reason: object, properties: object
    ) -> None:
        del client, data, reason, properties
        self._on_loop(lambda: self._acknowledged(mid))

    def _acknowledged(self, mid: int) -> None:
        if token := self._unacknowledged.pop(mid, ""):
            self._user.published(token)
        if not self._unacknowledged:
            self._idle.set()

    def _on_loop(self, call: Callable[[], None]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call)

    @property
    def _address(self) -> tuple[str, int]:
        return self._settings.addresses[self._node]

    def _aim(self) -> None:
        """Name the node that paho dials next."""
        host, port = self._address
        self._client.connect_async(host, port, self._settings.keepalive_s)

    def _roam(self) -> None:
        """Go on to a cluster's next node, from paho's thread between two attempts."""
        nodes = len(self._settings.addresses)
        if nodes > 1 and not self._closed.is_set():
            self._node = (self._node + 1) % nodes
            self._aim()

    def _heed_ousting(self, reason: ReasonCode) -> None:
        """Wait longer when another client of our id seems to throw us out."""
        if reason == "Keep alive timeout":
            self._ousts.unreachable()
            self._wait(0.0)
            return
        wait_s = self._ousts.lost(time.monotonic())
        self._wait(wait_s)
        if wait_s:
            _LOG.error(
                "the broker at %s:%d has closed %d connections in a row soon after they were made: "
                "another client seems to use the id %s too; trying again in %.0f s",
                *self._address,
                self._ousts.closed,
                self._client_id,
                wait_s,
            )

    def _wait(self, seconds: float) -> None:
        """Let paho wait so long before its next attempt; 0 is as usual, longer each time."""
        if seconds:
            self._client.reconnect_delay_set(round(seconds), _LAST_RECONNECT_S)
        elif self._waits_long:
            self._client.reconnect_delay_set(self._first_s, _LAST_RECONNECT_S)
        self._waits_long = seconds > 0

    def _say_refusal(self, reason: str) -> None:
        if reason != self._refused:
            _LOG.error("the broker at %s:%d: %s; trying again", *self._address, reason)
        self._refused = reason


def _tls_context(settings: BrokerSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise SettingError("broker.ca_file", f"{settings.ca_file}: {error}") from error
    if settings.cert_file:
        try:
            context.load_cert_chain(settings.cert_file, settings.key_file or None)
        except (OSError, ssl.SSLError) as error:
            raise SettingError("broker.cert_file", f"{settings.cert_file}: {error}") from error
    return context
