"""What has happened in a run: a digest of all of it, and the last of it in words. Pure."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

_KEPT = 40


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that a party did or that befell it, at a virtual time."""

    at_s: float
    party: str
    text: str

    def __str__(self) -> str:
        return f"{self.at_s:>12.3f} s  {self.party:<12} {self.text}"


class Trace:
    """Every happening changes :attr:`digest`; only the last ones are kept.

    Args:
        now: virtual seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._hash = hashlib.blake2b(digest_size=16)
        self._last: deque[Happening] = deque(maxlen=_KEPT)
        self.count = 0

    @property
    def now_s(self) -> float:
        """Virtual seconds."""
        return self._now()

    @property
    def digest(self) -> str:
        """Of all that has happened: the same for the same run."""
        return self._hash.hexdigest()

    @property
    def last(self) -> tuple[Happening, ...]:
        """What happened last."""
        return tuple(self._last)

    def add(self, party: str, text: str, content: bytes = b"") -> None:
        """Take a happening; ``content`` counts for the digest alone."""
        now_s = self._now()
        self.count += 1
        self._last.append(Happening(now_s, party, text))
        self._hash.update(f"{now_s!r}\0{party}\0{text}\0{len(content)}\0".encode())
        self._hash.update(content)
