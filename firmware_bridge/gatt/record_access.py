"""Record Access Control Point, 0x2A52 (Glucose Service 1.0.1, 3.4; CGM Service 1.0.2).

A gateway writes a request, the sensor indicates a count or a response; both directions are here,
so that the gateway and a simulated meter share them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from firmware_bridge.gatt.octets import CivilTime, OctetReader, OctetWriter
from firmware_bridge.gatt.uuids import sig_uuid
from firmware_bridge.profile import Access, GattLink, JsonFields, Profile, json_fields
from firmware_bridge.sampling import no_samples

NAME = "record_access"


class OpCode(IntEnum):
    """What is asked or answered."""

    REPORT_RECORDS = 1
    DELETE_RECORDS = 2
    ABORT = 3
    REPORT_COUNT = 4
    COUNT = 5
    RESPONSE = 6


class Operator(IntEnum):
    """Which records are meant."""

    NULL = 0
    ALL = 1
    AT_MOST = 2
    AT_LEAST = 3
    WITHIN = 4
    FIRST = 5
    LAST = 6


class Filter(IntEnum):
    """What the bounds are bounds of; a CGM counts minutes where a meter counts records."""

    SEQUENCE_OR_MINUTES = 1
    USER_TIME = 2


Bound = int | CivilTime
_Code = TypeVar("_Code", bound=IntEnum)

_BOUNDS = {Operator.AT_MOST: 1, Operator.AT_LEAST: 1, Operator.WITHIN: 2}


@dataclass(frozen=True, slots=True)
class RecordRequest:
    """A request of the gateway.

    Attributes:
        opcode: REPORT_RECORDS, DELETE_RECORDS, ABORT or REPORT_COUNT.
        operator: which records; NULL for ABORT.
        filter: what the bounds are bounds of; None where the operator has none.
        bounds: one for AT_MOST and AT_LEAST, two (low, high) for WITHIN.
    """

    opcode: OpCode
    operator: Operator
    filter: Filter | None = None
    bounds: tuple[Bound, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordCount:
    """The sensor's answer to REPORT_COUNT."""

    count: int


@dataclass(frozen=True, slots=True)
class RecordResponse:
    """The sensor's answer to anything else.

    Attributes:
        request: opcode that is answered.
        code: 1 success, 2 opcode not supported, 3 invalid operator, 4 operator not supported,
            5 invalid operand, 6 no records, 7 abort failed, 8 not completed, 9 operand not
            supported.
    """

    request: int
    code: int


RecordAccess = RecordRequest | RecordCount | RecordResponse


def decode(data: bytes) -> RecordAccess:
    """Decode one value, of either direction.

    Raises:
        FrameError: an opcode, operator or filter that does not exist, or operands that are not
            those of its opcode and operator.
    """
    octets = OctetReader(NAME, data)
    opcode = _member(octets, OpCode, "opcode")
    operator = _member(octets, Operator, "operator")
    if opcode in (OpCode.COUNT, OpCode.RESPONSE) and operator is not Operator.NULL:
        raise octets.refuse(f"{opcode.name} with operator {operator.name}")
    access: RecordAccess
    if opcode is OpCode.COUNT:
        access = RecordCount(octets.u16("number of records"))
    elif opcode is OpCode.RESPONSE:
        access = RecordResponse(octets.u8("request opcode"), octets.u8("response code"))
    else:
        access = _request(octets, opcode, operator)
    octets.end()
    return access


def encode(m: RecordAccess) -> bytes:
    """Inverse of ``decode``.

    Raises:
        ValueError: bounds that are not those of the operator, or a number that does not fit.
    """
    octets = OctetWriter()
    if isinstance(m, RecordCount):
        octets.octets(bytes((OpCode.COUNT, Operator.NULL)))
        octets.u16("number of records", m.count)
    elif isinstance(m, RecordResponse):
        octets.octets(bytes((OpCode.RESPONSE, Operator.NULL)))
        octets.u8("request opcode", m.request)
        octets.u8("response code", m.code)
    else:
        _put_request(octets, m)
    return octets.finish()


def to_json(m: RecordAccess) -> JsonFields:
    """Fields of the command line."""
    if isinstance(m, RecordCount):
        return json_fields(opcode=OpCode.COUNT.value, operator=0, number_of_records=m.count)
    if isinstance(m, RecordResponse):
        return json_fields(
            opcode=OpCode.RESPONSE.value,
            operator=0,
            request_opcode=m.request,
            response_code=m.code,
        )
    return json_fields(
        opcode=m.opcode.value,
        operator=m.operator.value,
        filter_type=None if m.filter is None else m.filter.value,
        filter_values=m.bounds or None,
    )


def _member(octets: OctetReader, kind: type[_Code], field: str) -> _Code:
    value = octets.u8(field)
    try:
        return kind(value)
    except ValueError as error:
        raise octets.refuse(f"{field} {value}") from error


def _request(octets: OctetReader, opcode: OpCode, operator: Operator) -> RecordRequest:
    if (opcode is OpCode.ABORT) != (operator is Operator.NULL):
        raise octets.refuse(f"{opcode.name} with operator {operator.name}")
    count = _BOUNDS.get(operator, 0)
    if not count:
        return RecordRequest(opcode, operator)
    filtered = _member(octets, Filter, "filter type")
    bounds: tuple[Bound, ...]
    if filtered is Filter.USER_TIME:
        bounds = tuple(octets.civil_time("filter") for _ in range(count))
    else:
        bounds = tuple(octets.u16("filter") for _ in range(count))
    return RecordRequest(opcode, operator, filtered, bounds)


def _put_request(octets: OctetWriter, m: RecordRequest) -> None:
    if m.opcode in (OpCode.COUNT, OpCode.RESPONSE):
        raise ValueError(f"{m.opcode.name} is no request")
    if (m.opcode is OpCode.ABORT) != (m.operator is Operator.NULL):
        raise ValueError(f"{m.opcode.name} with operator {m.operator.name}")
    if len(m.bounds) != _BOUNDS.get(m.operator, 0) or bool(m.bounds) != (m.filter is not None):
        raise ValueError(f"{m.operator.name} with {len(m.bounds)} bounds")
    octets.octets(bytes((m.opcode, m.operator)))
    if m.filter is not None:
        octets.u8("filter type", m.filter)
    for bound in m.bounds:
        if isinstance(bound, int) != (m.filter is Filter.SEQUENCE_OR_MINUTES):
            raise ValueError(f"bound {bound} under another filter")
        if isinstance(bound, int):
            octets.u16("filter", bound)
        else:
            octets.civil_time(bound)


PROFILES = (
    Profile(
        name=NAME,
        title="Record access control point",
        aliases=("RACP_2A52",),
        decode=decode,
        encode=encode,
        to_json=to_json,
        to_samples=no_samples,
        gatt=GattLink(sig_uuid(0x1808), sig_uuid(0x2A52), Access.INDICATE, bond=True),
    ),
)
