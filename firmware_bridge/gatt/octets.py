"""Reading and writing the little-endian fields of a characteristic, one after the other."""

from __future__ import annotations

from datetime import datetime

from firmware_bridge.errors import FrameError
from firmware_bridge.ieee11073 import (
    Value,
    decode_float,
    decode_sfloat,
    encode_float,
    encode_sfloat,
)
from firmware_bridge.sample import Absence

# The longest value of an attribute (Core, Vol 3, Part F, 3.2.9).
MAX_ATTRIBUTE_OCTETS = 512

CivilTime = datetime | Absence
"""A clock's reading without a zone; Absence.CLOCK_NOT_SET where year, month or day is unknown."""


class OctetReader:
    """Takes the fields of one value in turn; every shortage is a FrameError that names a field."""

    __slots__ = ("_at", "_data", "_profile")

    def __init__(self, profile: str, data: bytes) -> None:
        """Begin at the first octet of ``data``.

        Raises:
            FrameError: the value is longer than an attribute can be.
        """
        if len(data) > MAX_ATTRIBUTE_OCTETS:
            raise FrameError(profile, f"{len(data)} octets, more than an attribute holds")
        self._profile = profile
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """Octets not yet taken."""
        return len(self._data) - self._at

    def refuse(self, reason: str) -> FrameError:
        """The error of this profile for ``reason``; the caller raises it."""
        return FrameError(self._profile, reason)

    def octets(self, field: str, count: int) -> bytes:
        """The next ``count`` octets."""
        end = self._at + count
        if end > len(self._data):
            raise self.refuse(f"{field} needs {count} octets, {self.left} left")
        taken = self._data[self._at : end]
        self._at = end
        return bytes(taken)

    def unsigned(self, field: str, count: int) -> int:
        """An unsigned integer of ``count`` octets."""
        return int.from_bytes(self.octets(field, count), "little")

    def signed(self, field: str, count: int) -> int:
        """A two's complement integer of ``count`` octets."""
        return int.from_bytes(self.octets(field, count), "little", signed=True)

    def u8(self, field: str) -> int:
        """An unsigned octet."""
        return self.unsigned(field, 1)

    def u16(self, field: str) -> int:
        """An unsigned integer of two octets."""
        return self.unsigned(field, 2)

    def sfloat(self, field: str) -> Value:
        """An IEEE-11073 16-bit SFLOAT."""
        return decode_sfloat(self.u16(field))

    def float32(self, field: str) -> Value:
        """An IEEE-11073 32-bit FLOAT."""
        return decode_float(self.unsigned(field, 4))

    def civil_time(self, field: str) -> CivilTime:
        """Date Time (GATT Specification Supplement), seven octets."""
        raw = self.octets(field, 7)
        year, month, day = raw[0] | raw[1] << 8, raw[2], raw[3]
        hour, minute, second = raw[4:7]
        if month > 12 or day > 31 or hour > 23 or minute > 59 or second > 59:
            raise self.refuse(f"{field} is no time: {raw.hex()}")
        if 0 in (year, month, day):
            return Absence.CLOCK_NOT_SET
        # The calendar of the specification begins with the Gregorian one.
        if not 1582 <= year <= 9999:
            raise self.refuse(f"{field} has year {year}")
        try:
            return datetime(year, month, day, hour, minute, second)
        except ValueError as error:
            raise self.refuse(f"{field} is no date: {raw.hex()}") from error

    def end(self) -> None:
        """Nothing may follow.

        Raises:
            FrameError: something does.
        """
        if self.left:
            raise self.refuse(f"{self.left} octets after the last field")


class OctetWriter:
    """Puts the fields of one value in turn; what does not fit is a ValueError that names it."""

    __slots__ = ("_data",)

    def __init__(self) -> None:
        self._data = bytearray()

    def octets(self, data: bytes) -> None:
        """Octets as they are."""
        self._data += data

    def unsigned(self, field: str, value: int, count: int) -> None:
        """An unsigned integer of ``count`` octets."""
        if not 0 <= value < 1 << 8 * count:
            raise ValueError(f"{field} {value} is outside of {count} unsigned octets")
        self._data += value.to_bytes(count, "little")

    def signed(self, field: str, value: int, count: int) -> None:
        """A two's complement integer of ``count`` octets."""
        if not -1 << 8 * count - 1 <= value < 1 << 8 * count - 1:
            raise ValueError(f"{field} {value} is outside of {count} signed octets")
        self._data += value.to_bytes(count, "little", signed=True)

    def u8(self, field: str, value: int) -> None:
        """An unsigned octet."""
        self.unsigned(field, value, 1)

    def u16(self, field: str, value: int) -> None:
        """An unsigned integer of two octets."""
        self.unsigned(field, value, 2)

    def scaled_u16(self, field: str, value: Value, per_unit: float, *, most: int = 0xFFFF) -> None:
        """``value`` in steps of 1 / ``per_unit``, ``most`` at most, as two unsigned octets."""
        if isinstance(value, Absence):
            raise ValueError(f"{field} cannot say {value}")  # noqa: TRY004 - a value, not a type
        count = round(value * per_unit)
        if count > most:
            raise ValueError(f"{field} {value} is above {most / per_unit}")
        self.u16(field, count)

    def sfloat(self, value: Value) -> None:
        """An IEEE-11073 16-bit SFLOAT."""
        self._data += encode_sfloat(value).to_bytes(2, "little")

    def float32(self, value: Value) -> None:
        """An IEEE-11073 32-bit FLOAT."""
        self._data += encode_float(value).to_bytes(4, "little")

    def civil_time(self, moment: CivilTime) -> None:
        """Date Time (GATT Specification Supplement), seven octets."""
        if isinstance(moment, Absence):
            self._data += bytes(7)
            return
        self.u16("year", moment.year)
        self._data += bytes((moment.month, moment.day, moment.hour, moment.minute, moment.second))

    def finish(self) -> bytes:
        """The value.

        Raises:
            ValueError: it is longer than an attribute can be.
        """
        if len(self._data) > MAX_ATTRIBUTE_OCTETS:
            raise ValueError(f"{len(self._data)} octets, more than an attribute holds")
        return bytes(self._data)
