"""Topic names: ``perfuse/v1/{population}/...``.

model                              retained  ModelAnnouncement
plan                               retained  Plan
blob/{digest}/{index}              retained  Chunk of a model
aggregator                         retained  AggregatorPresence (and will)
round                                        RoundAbandonment
gateway/{gateway}/presence         retained  GatewayPresence (and will)
gateway/{gateway}/offer                      UpdateOffer
gateway/{gateway}/chunk/{digest}/{index}     Chunk of an update
gateway/{gateway}/reply                      what is for one gateway: see messages
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from broker.protocol.errors import LocalProtocolError, RemoteProtocolError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def require_name(what: str, name: str) -> str:
    """Return ``name`` when it may stand in a topic and in a client id.

    Raises:
        LocalProtocolError: it may not; the message says what a name looks like.
    """
    if not _NAME.fullmatch(name):
        raise LocalProtocolError(
            f"{what} {name!r}: use 1 to 64 of A-Z a-z 0-9 . _ - and begin with a letter or digit"
        )
    return name


@dataclass(frozen=True, slots=True)
class GatewayTopic:
    """A topic below ``gateway/``, taken apart."""

    gateway: str
    rest: tuple[str, ...]


class Topics:
    """The topics of one population.

    Raises:
        LocalProtocolError: the population's name may not stand in a topic.
    """

    def __init__(self, population: str) -> None:
        self.root = f"perfuse/v1/{require_name('population', population)}"
        self.model = f"{self.root}/model"
        self.plan = f"{self.root}/plan"
        self.aggregator = f"{self.root}/aggregator"
        self.round = f"{self.root}/round"
        self.all_presence = f"{self.root}/gateway/+/presence"
        self.all_offers = f"{self.root}/gateway/+/offer"
        self.all_blob_chunks = f"{self.root}/blob/+/+"
        self.all_update_chunks = f"{self.root}/gateway/+/chunk/+/+"

    def blob_chunk(self, digest: bytes, index: int) -> str:
        """Topic of one retained chunk of a model."""
        return f"{self.root}/blob/{digest.hex()}/{index}"

    def blob(self, digest: bytes) -> str:
        """Filter for all chunks of a model."""
        return f"{self.root}/blob/{digest.hex()}/+"

    def digest_of(self, topic: str) -> bytes | None:
        """Return which blob a topic carries a chunk of; ``None`` when it carries none."""
        parts = topic.removeprefix(f"{self.root}/").split("/")
        if len(parts) != 3 or parts[0] != "blob" or not _DIGEST.fullmatch(parts[1]):
            return None
        return bytes.fromhex(parts[1])

    def presence(self, gateway: str) -> str:
        """Topic of a gateway's presence."""
        return f"{self._gateway(gateway)}/presence"

    def offer(self, gateway: str) -> str:
        """Topic on which a gateway offers updates."""
        return f"{self._gateway(gateway)}/offer"

    def reply(self, gateway: str) -> str:
        """Topic on which the aggregator answers a gateway."""
        return f"{self._gateway(gateway)}/reply"

    def update_chunk(self, gateway: str, digest: bytes, index: int) -> str:
        """Topic of one chunk of a gateway's update."""
        return f"{self._gateway(gateway)}/chunk/{digest.hex()}/{index}"

    def split_gateway(self, topic: str) -> GatewayTopic | None:
        """Take a gateway's topic apart; ``None`` when it is not below ``gateway/``.

        Raises:
            RemoteProtocolError: the gateway's name is not a name.
        """
        parts = topic.removeprefix(f"{self.root}/").split("/")
        if len(parts) < 3 or parts[0] != "gateway":
            return None
        if not _NAME.fullmatch(parts[1]):
            raise RemoteProtocolError("topic", "gateway", f"{parts[1]!r:.70} is not a name")
        return GatewayTopic(parts[1], tuple(parts[2:]))

    def _gateway(self, gateway: str) -> str:
        return f"{self.root}/gateway/{require_name('gateway', gateway)}"
