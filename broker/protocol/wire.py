"""Messages on the wire: deterministic CBOR maps (RFC 8949, section 4.2), strict and bounded.

A message is a frozen dataclass. Its type hints are its schema: every text, byte string, tuple
and number is ``Annotated`` with a :class:`Bound`, so that nothing unbounded can be declared.
Each map carries the protocol version under ``"v"`` and the kind of message under ``"t"``.
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import StrEnum
from functools import cache
from typing import Any, NoReturn, TypeVar

import cbor2

from broker.protocol.errors import LocalProtocolError, RemoteProtocolError

PROTOCOL_VERSION = 1

# The smallest common broker limit (AWS IoT Core): the largest chunk fits with its envelope, and so
# does a plan for 20,000 gateways. Nothing larger that came in one piece is ever sent or looked at.
MAX_MESSAGE_BYTES = 128 * 1024
_MAX_DEPTH = 6

# Every tag that cbor2 would turn into an object (dates, big numbers, regular expressions, shared
# references, sets, addresses): none is part of this protocol, and some are costly to build.
_KNOWN_TAGS = (*range(6), 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004)
_KNOWN_TAGS += (43000, 55799)

M = TypeVar("M")
_Check = Callable[[str, str, object], Any]


@dataclass(frozen=True, slots=True)
class Bound:
    """Smallest and largest value of a number, or length of a text, byte string or tuple."""

    low: float
    high: float


def encode(message: object) -> bytes:
    """Encode a message dataclass that :func:`message_type` has named.

    Raises:
        LocalProtocolError: the message breaks its own bounds, so no peer would accept it.
    """
    kind = _kind_of(type(message))
    body = _plain(message)
    try:
        payload = cbor2.dumps({"v": PROTOCOL_VERSION, "t": kind} | body, canonical=True)
        _require_size(kind, payload, _LIMITS[type(message)])
        _dataclass_check(typing.cast(Any, type(message)))(kind, "", body)
    except (RemoteProtocolError, cbor2.CBORError, ValueError, TypeError) as error:
        raise LocalProtocolError(f"refusing to send: {error}") from error
    return payload


def decode(payload: bytes, expected: type[M]) -> M:
    """Decode one message of a known kind.

    Raises:
        RemoteProtocolError: anything at all is not as the schema says.
    """
    kind = _kind_of(expected)
    body = _load(kind, payload, _LIMITS[expected])
    version = body.pop("v", None)
    if version != PROTOCOL_VERSION or type(version) is not int:
        raise RemoteProtocolError(
            kind, "v", f"version {version!r:.40}, we speak {PROTOCOL_VERSION}"
        )
    if (found := body.pop("t", None)) != kind:
        raise RemoteProtocolError(kind, "t", f"expected {kind!r}, found {found!r:.40}")
    return typing.cast(M, _dataclass_check(typing.cast(Any, expected))(kind, "", body))


def decode_stored(payload: bytes, expected: type[M]) -> M:
    """Decode a message that we wrote ourselves, perhaps with an earlier version.

    Fields that have been added since have their defaults, those that are gone are passed over. On
    the wire nothing may lack or be more.

    Raises:
        RemoteProtocolError: anything else is not as the schema says.
    """
    body = _load(_kind_of(expected), payload, _LIMITS[expected])
    for name in _GONE[expected]:
        body.pop(name, None)
    return decode(cbor2.dumps(_filled(body, expected), canonical=True), expected)


@cache
def _hints(cls: Any) -> dict[str, Any]:
    return typing.get_type_hints(cls, include_extras=True)


def _filled(body: Mapping[str, Any], cls: Any) -> dict[str, Any]:
    """Return a map with the defaults of what it lacks, in the maps directly within it too."""
    hints = _hints(cls)
    known = {f.name: _plain(f.default) for f in fields(cls) if f.default is not MISSING}
    within = {
        name: _filled(value, hints[name])
        for name, value in body.items()
        if isinstance(value, Mapping) and is_dataclass(hints.get(name))
    }
    return known | dict(body) | within


def decode_any(payload: bytes, expected: tuple[type, ...]) -> object:
    """Decode one message that may be any of a few kinds.

    Raises:
        RemoteProtocolError: it is none of them, or malformed.
    """
    found = _load("message", payload, MAX_MESSAGE_BYTES).get("t")
    for candidate in expected:
        if _kind_of(candidate) == found:
            return decode(payload, candidate)
    names = ", ".join(_kind_of(candidate) for candidate in expected)
    raise RemoteProtocolError("message", "t", f"expected one of {names}; found {found!r:.40}")


def message_type(
    name: str, max_bytes: int = MAX_MESSAGE_BYTES, gone: tuple[str, ...] = ()
) -> Callable[[type[M]], type[M]]:
    """Give a dataclass its name on the wire; its schema is checked here, once, at import.

    Args:
        name: the kind of message.
        max_bytes: larger for what never travels in one piece.
        gone: fields that earlier versions wrote into their state, and that mean nothing now.
    """

    def name_it(cls: type[M]) -> type[M]:
        _KINDS[cls] = name
        _LIMITS[cls] = max_bytes
        _GONE[cls] = gone
        _dataclass_check(typing.cast(Any, cls))
        return cls

    return name_it


_KINDS: dict[type, str] = {}
_LIMITS: dict[type, int] = {}
_GONE: dict[type, tuple[str, ...]] = {}


def _kind_of(cls: type) -> str:
    try:
        return _KINDS[cls]
    except KeyError:
        raise LocalProtocolError(f"{cls.__name__} is not a message") from None


def _load(kind: str, payload: bytes, max_bytes: int) -> dict[str, Any]:
    _require_size(kind, payload, max_bytes)
    try:
        body = cbor2.loads(
            payload,
            max_depth=_MAX_DEPTH,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            strict_hashable_types=True,
            semantic_decoders=dict.fromkeys(_KNOWN_TAGS, _refuse_tag),
        )
        deterministic = cbor2.dumps(body, canonical=True) == payload
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, MemoryError) as error:
        raise RemoteProtocolError(kind, "", f"not CBOR: {error}") from error
    if type(body) is not dict:
        raise RemoteProtocolError(kind, "", f"expected a map, found {type(body).__name__}")
    if not deterministic:
        raise RemoteProtocolError(kind, "", "trailing bytes, or not deterministic CBOR")
    return body


def _require_size(kind: str, payload: bytes, max_bytes: int) -> None:
    if len(payload) > max_bytes:
        raise RemoteProtocolError(kind, "", f"{len(payload)} bytes, limit {max_bytes}")


def _refuse_tag(*_: object) -> NoReturn:
    raise ValueError("tags are not part of this protocol")


def _plain(value: object) -> Any:
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, StrEnum):
        return value.value
    return float(value) if isinstance(value, float) else value  # NumPy's float64 is one


@cache
def _dataclass_check(cls: type[Any]) -> _Check:
    hints = _hints(typing.cast(Any, cls))
    checks = {f.name: _check_for(hints[f.name]) for f in fields(cls)}

    def check(kind: str, path: str, value: object) -> Any:
        if not isinstance(value, Mapping):
            raise RemoteProtocolError(kind, path, f"expected a map, found {_name(value)}")
        if missing := checks.keys() - value.keys():
            raise RemoteProtocolError(kind, _join(path, min(missing)), "missing")
        if unknown := value.keys() - checks.keys():
            raise RemoteProtocolError(kind, path, f"unknown field {min(map(str, unknown))!r:.40}")
        made = {n: c(kind, _join(path, n), value[n]) for n, c in checks.items()}
        try:
            return cls(**made)
        except ValueError as error:
            raise RemoteProtocolError(kind, path, str(error)) from error

    return check


def _check_for(hint: Any) -> _Check:
    if typing.get_origin(hint) is typing.Annotated:
        inner, bound = typing.get_args(hint)
        return _bounded(inner, bound)
    # ``X | None`` is one type for a class and another for an Annotated one.
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return _optional(hint)
    if isinstance(hint, type) and is_dataclass(hint):
        return _dataclass_check(hint)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return _enum(hint)
    if hint is bool:
        return _exact(bool)
    raise LocalProtocolError(f"{hint!r} has no bound")


def _optional(hint: Any) -> _Check:
    (inner,) = (arg for arg in typing.get_args(hint) if arg is not type(None))
    check = _check_for(inner)
    return lambda kind, path, value: None if value is None else check(kind, path, value)


def _bounded(inner: Any, bound: Bound) -> _Check:
    if typing.get_origin(inner) is tuple:
        return _tuple(_check_for(typing.get_args(inner)[0]), bound)
    if inner is float:
        return _number(bound)
    exact = _exact(inner)

    def check(kind: str, path: str, value: object) -> Any:
        found = exact(kind, path, value)
        size = found if inner is int else len(found)
        _require_within(kind, path, size, bound, "value" if inner is int else "length")
        return found

    return check


def _number(bound: Bound) -> _Check:
    def check(kind: str, path: str, value: object) -> float:
        if type(value) is not float and type(value) is not int:
            raise RemoteProtocolError(kind, path, f"expected a number, found {_name(value)}")
        if not math.isfinite(value):
            raise RemoteProtocolError(kind, path, "not finite")
        _require_within(kind, path, value, bound, "value")
        return float(value)

    return check


def _tuple(item: _Check, bound: Bound) -> _Check:
    def check(kind: str, path: str, value: object) -> tuple[Any, ...]:
        if type(value) is not list:
            raise RemoteProtocolError(kind, path, f"expected an array, found {_name(value)}")
        _require_within(kind, path, len(value), bound, "length")
        return tuple(item(kind, f"{path}[{i}]", v) for i, v in enumerate(value))

    return check


def _enum(cls: type[StrEnum]) -> _Check:
    def check(kind: str, path: str, value: object) -> StrEnum:
        try:
            return cls(value)  # type: ignore[arg-type]  # a wrong type is a ValueError too
        except (ValueError, TypeError):
            names = ", ".join(cls)
            raise RemoteProtocolError(
                kind, path, f"expected one of {names}; found {value!r:.40}"
            ) from None

    return check


def _exact(cls: type) -> _Check:
    def check(kind: str, path: str, value: object) -> Any:
        if type(value) is not cls:
            raise RemoteProtocolError(kind, path, f"expected {cls.__name__}, found {_name(value)}")
        return value

    return check


def _require_within(kind: str, path: str, size: float, bound: Bound, what: str) -> None:
    if not bound.low <= size <= bound.high:
        raise RemoteProtocolError(
            kind, path, f"{what} {size} is outside {bound.low:g} to {bound.high:g}"
        )


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _name(value: object) -> str:
    return "nothing" if value is None else type(value).__name__
