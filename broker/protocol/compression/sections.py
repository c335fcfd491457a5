"""A payload as sections one after the other: written, and read strictly."""

from __future__ import annotations

from broker.protocol.errors import RemoteProtocolError

_MAX_VARINT_BYTES = 4


def varint(value: int) -> bytes:
    """Write 0 to 2**28 - 1 in 1 to 4 bytes (LEB128)."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class Reader:
    """Takes sections off a payload's front."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes that are left."""
        return len(self._payload) - self._at

    def take(self, count: int) -> bytes:
        """Take ``count`` bytes.

        Raises:
            RemoteProtocolError: there are fewer.
        """
        if count > self.left:
            raise refused(f"ends early: {count} bytes expected, {self.left} are left")
        self._at += count
        return self._payload[self._at - count : self._at]

    def varint(self) -> int:
        """Take what :func:`varint` writes, in its shortest form.

        Raises:
            RemoteProtocolError: it is none.
        """
        value = 0
        for place in range(_MAX_VARINT_BYTES):
            (byte,) = self.take(1)
            value |= (byte & 0x7F) << 7 * place
            if byte < 0x80:
                if place and not byte:
                    break
                return value
        raise refused("a length that is not a number in its shortest form")

    def end(self) -> None:
        """Check that nothing is left.

        Raises:
            RemoteProtocolError: something is.
        """
        if self.left:
            raise refused(f"{self.left} bytes too many")


def refused(reason: str) -> RemoteProtocolError:
    """Return the error for a payload that is not what the codec writes."""
    return RemoteProtocolError("update", "payload", reason)
