"""An observer on a real link, for whoever has to wait for what a population does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from broker.link import MqttLink
from broker.protocol.effects import Publish
from broker.protocol.messages import GatewayPresence
from broker.settings import BrokerSettings
from perfuse.demo.observer import Observer

Gateways = dict[str, GatewayPresence]


class Watch:
    """Follows a population over MQTT. Must be made on a running event loop.

    Args:
        urls: of the broker or of a cluster's nodes, with credentials.
        observer: what makes sense of the messages.
    """

    def __init__(self, urls: tuple[str, ...], observer: Observer) -> None:
        self.observer = observer
        self._changed = asyncio.Event()
        will = Publish(f"{observer.topics.root}/observer", b"")
        client_id = f"{observer.topics.root.replace('/', '-')}-observer"
        self._link = MqttLink(BrokerSettings(urls=urls), client_id, will, self)
        self._link.open()

    async def until(self, condition: Callable[[Gateways], bool]) -> None:
        """Wait until what the gateways last said of themselves fulfils a condition."""
        while not condition(self.observer.gateways):
            self._changed.clear()
            await self._changed.wait()

    async def clear_retained(self, limit_s: float) -> None:
        """Take back what the population has retained on the broker, as far as it was seen."""
        for topic in self.observer.retained:
            self._link.apply(Publish(topic, b"", retain=True))
        await self._link.drain(limit_s)

    async def close(self) -> None:
        """Leave the broker."""
        await self._link.close()

    def connected(self) -> None:
        """See :class:`broker.link.LinkUser`."""
        for effect in self.observer.subscriptions():
            self._link.apply(effect)

    def disconnected(self) -> None:
        """See :class:`broker.link.LinkUser`."""

    def received(self, topic: str, payload: bytes) -> None:
        """See :class:`broker.link.LinkUser`."""
        self.observer.receive(topic, payload)
        self._changed.set()

    def published(self, token: str) -> None:
        """See :class:`broker.link.LinkUser`."""
