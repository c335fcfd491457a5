"""The PMD control point: what starts a stream, and the settings that it runs with.

(Polar BLE SDK, PMD control point.) Settings are a type, a count and the values, little-endian.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from enum import IntEnum

from firmware_bridge.gatt.octets import OctetReader, OctetWriter
from firmware_bridge.polar.pmd import CONTROL, SERVICE, PmdType
from firmware_bridge.profile import Access, GattLink, JsonFields, Profile, json_fields
from firmware_bridge.sampling import no_samples

NAME = "polar_control"

_GET_SETTINGS, _START, _STOP = 0x01, 0x02, 0x03
_RESPONSE = 0xF0


class Setting(IntEnum):
    """Types of settings."""

    RATE_HZ = 0
    RESOLUTION_BITS = 1
    RANGE = 2
    RANGE_MILLI = 3
    CHANNELS = 4
    FACTOR = 5


_SIZES = {
    Setting.RATE_HZ: 2,
    Setting.RESOLUTION_BITS: 2,
    Setting.RANGE: 2,
    Setting.RANGE_MILLI: 4,
    Setting.CHANNELS: 1,
    Setting.FACTOR: 4,
}

Settings = tuple[tuple[Setting, tuple[int, ...]], ...]
"""Each setting with the values offered or chosen; FACTOR as the bits of its IEEE 754 float."""


@dataclass(frozen=True, slots=True)
class ControlResponse:
    """The sensor's answer.

    Attributes:
        request: opcode that is answered (1 get settings, 2 start, 3 stop).
        measurement: measurement type that it is about.
        status: 0 success, else the SDK's error code.
        more: whether another response continues this one.
        settings: offered or chosen settings; empty unless ``status`` is 0.
    """

    request: int
    measurement: int
    status: int
    more: bool = False
    settings: Settings = ()

    @property
    def factor(self) -> float:
        """What a count is worth, for ``Arrival.factor``; 1.0 where none was sent."""
        for setting, values in self.settings:
            if setting is Setting.FACTOR and values:
                worth: float = struct.unpack("<f", values[0].to_bytes(4, "little"))[0]
                return worth
        return 1.0


def start(kind: PmdType, *settings: tuple[Setting, int]) -> bytes:
    """The request that starts a stream with one value a setting.

    Raises:
        ValueError: a value that does not fit its setting.
    """
    octets = OctetWriter()
    octets.octets(bytes((_START, kind)))
    for setting, value in settings:
        octets.octets(bytes((setting, 1)))
        octets.unsigned(setting.name, value, _SIZES[setting])
    return octets.finish()


def stop(kind: PmdType) -> bytes:
    """The request that stops a stream."""
    return bytes((_STOP, kind))


def get_settings(kind: PmdType) -> bytes:
    """The request for the settings that a stream offers."""
    return bytes((_GET_SETTINGS, kind))


def decode(data: bytes) -> ControlResponse:
    """Decode one response.

    Raises:
        FrameError: no response, a setting that is unknown or cut short, or a factor that is no
            finite number.
    """
    octets = OctetReader(NAME, data)
    if octets.u8("response code") != _RESPONSE:
        raise octets.refuse("not a response")
    request, kind = octets.u8("opcode"), octets.u8("measurement type")
    status = octets.u8("status")
    more = bool(octets.u8("more")) if octets.left else False
    settings: list[tuple[Setting, tuple[int, ...]]] = []
    while octets.left:
        if status:
            raise octets.refuse("settings after a failure")
        settings.append(_setting(octets))
    return ControlResponse(request, kind, status, more, tuple(settings))


def encode(m: ControlResponse) -> bytes:
    """Inverse of ``decode``.

    Raises:
        ValueError: a value that does not fit.
    """
    octets = OctetWriter()
    octets.u8("response code", _RESPONSE)
    octets.u8("opcode", m.request)
    octets.u8("measurement type", m.measurement)
    octets.u8("status", m.status)
    octets.u8("more", int(m.more))
    for setting, values in m.settings:
        octets.u8("setting", setting)
        octets.u8("values of a setting", len(values))
        for value in values:
            octets.unsigned(setting.name, value, _SIZES[setting])
    return octets.finish()


def to_json(m: ControlResponse) -> JsonFields:
    """Fields of the command line."""
    return json_fields(
        request=m.request,
        measurement=m.measurement,
        status=m.status,
        more=m.more,
        settings={setting.name.lower(): list(values) for setting, values in m.settings},
        factor=m.factor,
    )


def _setting(octets: OctetReader) -> tuple[Setting, tuple[int, ...]]:
    number = octets.u8("setting")
    try:
        setting = Setting(number)
    except ValueError as error:
        raise octets.refuse(f"setting {number}") from error
    count = octets.u8("values of a setting")
    values = tuple(octets.unsigned(setting.name, _SIZES[setting]) for _ in range(count))
    if setting is Setting.FACTOR:
        worth = struct.unpack(f"<{count}f", struct.pack(f"<{count}I", *values))
        if not all(map(math.isfinite, worth)):
            raise octets.refuse("the factor is no finite number")
    return setting, values


PROFILES = (
    Profile(
        name=NAME,
        title="Polar PMD control point",
        aliases=("POLAR_PMD_CONTROL",),
        decode=decode,
        encode=encode,
        to_json=to_json,
        to_samples=no_samples,
        gatt=GattLink(SERVICE, CONTROL, Access.INDICATE),
    ),
)
