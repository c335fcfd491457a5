"""amqtt's broker with the take-over of MQTT 3.1.1, section 3.1.4: one connection a client id.

amqtt 0.12 ends the older connection at the first take-over, but its loop then marks the session
that both share as disconnected. The newer one hears nothing from there on, and when the older
client is back, the newer one is left connected and deaf: only a connected session is taken over.

A connection that ends while amqtt sends again what was in flight is never noticed by it: what its
loop waits for is made only after that. The session then stays connected for ever.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from amqtt.broker import Broker

# An older connection that has not ended by then is let be: the newer client must not wait for ever.
# amqtt waits 5 s for a PUBACK, even on a connection that has ended.
_ENDED_WITHIN_S = 15.0


@dataclass(frozen=True, slots=True)
class _Served:
    reader: Any
    over: asyncio.Event = field(default_factory=asyncio.Event)


class OustingBroker(Broker):  # type: ignore[misc]  # amqtt is there with the extra "demo" alone
    """Ends the older connection of a client id, with its will, before it serves the newer one."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self._served: dict[str, _Served] = {}

    async def _handle_client_session(
        self, reader: Any, writer: Any, client_session: Any, *more: Any
    ) -> None:
        client_id = client_session.client_id
        while (older := self._served.get(client_id)) is not None:
            # As if it had hung up: amqtt loses a cancellation that comes together with a packet.
            older.reader.feed_eof()
            try:
                await asyncio.wait_for(older.over.wait(), _ENDED_WITHIN_S)
            except TimeoutError:
                break
        served = self._served[client_id] = _Served(reader)
        try:
            await super()._handle_client_session(reader, writer, client_session, *more)
        finally:
            if self._served.get(client_id) is served:
                del self._served[client_id]
            served.over.set()

    async def _client_message_loop(self, client_session: Any, handler: Any) -> None:
        if handler._reader_stopped.is_set():
            await handler.handle_connection_closed()
        await super()._client_message_loop(client_session, handler)
