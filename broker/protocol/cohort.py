"""Whom a plan asks, in a few bytes a gateway. Pure.

A plan goes to every gateway of the population, asked or not, in one message. By name thousands of
gateways would not fit the smallest common broker limit (128 KiB, AWS IoT Core), so a cohort holds
tags: the first bytes of the SHA-256 of each name. In a population of 100,000 some gateway has the
tag of one in a cohort of 5,000 less than once in 2,000 rounds. It is asked too then, which is
harmless: what it learns counts like any other's, for the aggregator goes by the tags as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

from broker.protocol.wire import Bound

TAG_BYTES = 5
# 100,000 bytes of tags leave room for the rest of the largest plan in 128 KiB.
MAX_COHORT = 20_000


@dataclass(frozen=True, slots=True)
class Cohort:
    """The gateways that are asked, by their tags: sorted, each once, one after the other.

    Raises:
        ValueError: the bytes are not such tags.
    """

    tags: Annotated[bytes, Bound(0, MAX_COHORT * TAG_BYTES)] = b""

    def __post_init__(self) -> None:
        if len(self.tags) % TAG_BYTES:
            raise ValueError(f"{len(self.tags)} bytes are not tags of {TAG_BYTES}")
        each = [self.tags[at : at + TAG_BYTES] for at in range(0, len(self.tags), TAG_BYTES)]
        if any(first >= second for first, second in pairwise(each)):
            raise ValueError("tags are not sorted, or one is there twice")

    @classmethod
    def of(cls, gateways: Iterable[str]) -> Cohort:
        """Return the cohort of these gateways."""
        return cls(b"".join(sorted({_tag(gateway) for gateway in gateways})))

    def __contains__(self, gateway: str) -> bool:
        """Whether a gateway is asked."""
        wanted, low, high = _tag(gateway), 0, len(self)
        while low < high:
            middle = (low + high) // 2
            found = self.tags[middle * TAG_BYTES : (middle + 1) * TAG_BYTES]
            if found == wanted:
                return True
            low, high = (middle + 1, high) if found < wanted else (low, middle)
        return False

    def __len__(self) -> int:
        """How many are asked."""
        return len(self.tags) // TAG_BYTES


def _tag(gateway: str) -> bytes:
    return hashlib.sha256(gateway.encode()).digest()[:TAG_BYTES]
