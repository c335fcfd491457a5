"""CGM Measurement, 0x2AA7 (Continuous Glucose Monitoring Service 1.0.2, 3.1; GATT Supplement).

A packet holds one record or several. Whether each ends with an E2E-CRC is a property of the sensor
(CGM Feature 0x2AA8, bit 12) and not of the record: hence two profiles.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from firmware_bridge.gatt.octets import OctetReader, OctetWriter
from firmware_bridge.gatt.uuids import sig_uuid
from firmware_bridge.ieee11073 import Value
from firmware_bridge.profile import GattLink, JsonFields, Profile, json_fields
from firmware_bridge.quantity import Quantity
from firmware_bridge.sample import Sample
from firmware_bridge.sampling import Arrival, reading

NAME = "cgm"
NAME_CRC = "cgm_e2e_crc"

_TREND = 0x01
_QUALITY = 0x02
_WARNING = 0x20
_CALIBRATION = 0x40
_STATUS = 0x80

_NS_PER_MIN = 60_000_000_000


@dataclass(frozen=True, slots=True)
class CgmRecord:
    """One glucose value of a session.

    Attributes:
        glucose_mgdl: mg/dL.
        time_offset_min: minutes since the session started.
        status: status octet of the annunciation; None if not sent, as for all below.
        calibration: calibration and temperature octet.
        warning: warning octet.
        trend: mg/dL a minute.
        quality_percent: percent.
    """

    glucose_mgdl: Value
    time_offset_min: int
    status: int | None = None
    calibration: int | None = None
    warning: int | None = None
    trend: Value | None = None
    quality_percent: Value | None = None


@dataclass(frozen=True, slots=True)
class Cgm:
    """The records of one notification, at least one."""

    records: tuple[CgmRecord, ...]


def decode(data: bytes, *, crc: bool = False) -> Cgm:
    """Decode one value.

    Args:
        data: the value.
        crc: whether each record ends with an E2E-CRC.

    Raises:
        FrameError: a record whose size is not that of its flags, a wrong CRC, or no record.
    """
    octets = OctetReader(NAME_CRC if crc else NAME, data)
    records = [_record(octets, crc=crc)]
    while octets.left:
        records.append(_record(octets, crc=crc))
    return Cgm(tuple(records))


def encode(m: Cgm, *, crc: bool = False) -> bytes:
    """Inverse of ``decode``.

    Raises:
        ValueError: a value that does not fit, no record, or more than an attribute holds.
    """
    if not m.records:
        raise ValueError("a CGM measurement has at least one record")
    octets = OctetWriter()
    for record in m.records:
        octets.octets(_record_octets(record, crc=crc))
    return octets.finish()


def to_json(m: Cgm) -> JsonFields:
    """Fields of the command line."""
    return {
        "records": [
            json_fields(
                glucose_mgdl=record.glucose_mgdl,
                time_offset_min=record.time_offset_min,
                status=record.status,
                cal_temp=record.calibration,
                warning=record.warning,
                trend=record.trend,
                quality=record.quality_percent,
            )
            for record in m.records
        ]
    }


def to_samples(m: Cgm, arrival: Arrival) -> tuple[Sample, ...]:
    """One reading a record, in mg/dL.

    Where the start of the session is not known, the last record is taken to be as old as the
    arrival, and the others by their offsets to it.
    """
    start_ns = arrival.session_start_ns
    if start_ns is None:
        start_ns = arrival.received_ns - m.records[-1].time_offset_min * _NS_PER_MIN
    return tuple(
        reading(
            arrival,
            "cgm",
            start_ns + record.time_offset_min * _NS_PER_MIN,
            glucose=Quantity(record.glucose_mgdl, "mg/dL"),
            trend=None if record.trend is None else Quantity(record.trend, "mg/dL/min"),
            quality=(
                None if record.quality_percent is None else Quantity(record.quality_percent, "%")
            ),
        )
        for record in m.records
    )


def e2e_crc(data: bytes) -> int:
    """E2E-CRC of the CGM Service 1.0.2: CCITT polynomial, start 0xFFFF, bits reflected."""
    crc = 0xFFFF
    for octet in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ octet) & 0xFF]
    return crc


def _crc_entry(index: int) -> int:
    for _ in range(8):
        index = index >> 1 ^ (0x8408 if index & 1 else 0)
    return index


_CRC_TABLE = tuple(map(_crc_entry, range(256)))


def _record(packet: OctetReader, *, crc: bool) -> CgmRecord:
    size = packet.u8("record size")
    if size < 6:
        raise packet.refuse(f"record size {size} is below 6")
    body = packet.octets("record", size - 1)
    name = NAME_CRC if crc else NAME
    if crc:
        sent = int.from_bytes(body[-2:], "little")
        body = body[:-2]
        computed = e2e_crc(bytes((size,)) + body)
        if sent != computed:
            raise packet.refuse(f"E2E-CRC {sent:04x}, computed {computed:04x}")
    octets = OctetReader(name, body)
    flags = octets.u8("flags")
    record = CgmRecord(
        glucose_mgdl=octets.sfloat("glucose"),
        time_offset_min=octets.u16("time offset"),
        status=octets.u8("status") if flags & _STATUS else None,
        calibration=octets.u8("calibration") if flags & _CALIBRATION else None,
        warning=octets.u8("warning") if flags & _WARNING else None,
        trend=octets.sfloat("trend") if flags & _TREND else None,
        quality_percent=octets.sfloat("quality") if flags & _QUALITY else None,
    )
    octets.end()
    return record


def _record_octets(m: CgmRecord, *, crc: bool) -> bytes:
    octets = OctetWriter()
    octets.u8(
        "flags",
        (_TREND if m.trend is not None else 0)
        | (_QUALITY if m.quality_percent is not None else 0)
        | (_WARNING if m.warning is not None else 0)
        | (_CALIBRATION if m.calibration is not None else 0)
        | (_STATUS if m.status is not None else 0),
    )
    octets.sfloat(m.glucose_mgdl)
    octets.u16("time offset", m.time_offset_min)
    for annunciation in (m.status, m.calibration, m.warning):
        if annunciation is not None:
            octets.u8("annunciation", annunciation)
    for value in (m.trend, m.quality_percent):
        if value is not None:
            octets.sfloat(value)
    body = octets.finish()
    record = bytes((len(body) + (3 if crc else 1),)) + body
    return record + e2e_crc(record).to_bytes(2, "little") if crc else record


_LINK = GattLink(sig_uuid(0x181F), sig_uuid(0x2AA7), bond=True, interval_s=900.0)

PROFILES = (
    Profile(
        name=NAME,
        title="Continuous glucose",
        aliases=("CGM_2AA7",),
        decode=decode,
        encode=encode,
        to_json=to_json,
        to_samples=to_samples,
        gatt=_LINK,
    ),
    Profile(
        name=NAME_CRC,
        title="Continuous glucose with E2E-CRC",
        aliases=("CGM_2AA7_E2ECRC",),
        decode=partial(decode, crc=True),
        encode=partial(encode, crc=True),
        to_json=to_json,
        to_samples=to_samples,
        gatt=_LINK,
    ),
)
