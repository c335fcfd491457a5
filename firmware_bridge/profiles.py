"""The registry of sensor profiles, and the decoder of ``perfuse sensors decode``.

A profile is a module of one of the packages below that declares ``PROFILES``; adding one is adding
that file. Nothing is imported before the first look-up.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType, ModuleType
from typing import Any

from firmware_bridge.errors import BridgeError, FrameError
from firmware_bridge.profile import JsonFields, Profile, SerialLink

PROFILE_PACKAGES = (
    "firmware_bridge.gatt",
    "firmware_bridge.polar",
    "firmware_bridge.serial_profiles",
)

# Twice the longest value of an attribute (512 octets) in hexadecimal is 1 KiB; the rest is room for
# what people write beside a frame, such as where it came from and what it should give.
MAX_LINE_CHARS = 16 * 1024


class UnknownProfileError(BridgeError, LookupError):
    """A profile was named that does not exist.

    Attributes:
        name: the name that was asked for.
        nearest: the known name most like it, or None.
    """

    def __init__(self, name: str, nearest: str | None) -> None:
        hint = f"; did you mean {nearest!r}?" if nearest else ""
        super().__init__(f"no sensor profile {name!r}{hint}")
        self.name = name
        self.nearest = nearest


def profile(name: str) -> Profile[Any]:
    """The profile of that name or alias; case does not matter.

    Raises:
        UnknownProfileError: there is none; names the nearest.
    """
    known = _by_any_name()
    found = known.get(name.casefold())
    if found is None:
        near = difflib.get_close_matches(name.casefold(), known, n=1, cutoff=0.5)
        raise UnknownProfileError(name, known[near[0]].name if near else None)
    return found


def profile_names() -> tuple[str, ...]:
    """Names of all profiles, sorted; without the aliases."""
    return tuple(sorted({found.name for found in _by_any_name().values()}))


def serial_link(name: str) -> SerialLink:
    """How sensors of a profile are reached over a serial line.

    Raises:
        UnknownProfileError: there is no such profile.
        ValueError: they do not come over a serial line.
    """
    found = profile(name)
    if found.serial is None:
        raise ValueError(f"{found.name} does not come over a serial line")
    return found.serial


def profiles_of_characteristic(uuid: str) -> tuple[Profile[Any], ...]:
    """Profiles that decode values of a characteristic, by its 128-bit UUID; empty for none."""
    wanted = uuid.lower()
    return tuple(
        found
        for found in map(profile, profile_names())
        if found.gatt is not None and found.gatt.characteristic == wanted
    )


def decode_json_line(line: str) -> JsonFields:
    """Decode one line ``{"profile": name, "hex": bytes}``.

    Returns:
        The measurement's fields, or ``{"error": reason}``; never raises on any text.
    """
    try:
        named, frame = _request(line)
        found = profile(named)
        return found.to_json(found.decode(frame))
    except (ValueError, UnknownProfileError, FrameError) as error:
        return {"error": str(error)}
    except RecursionError:
        return {"error": "the line nests too deeply"}


def _request(line: str) -> tuple[str, bytes]:
    if len(line) > MAX_LINE_CHARS:
        raise ValueError(f"the line is longer than {MAX_LINE_CHARS} characters")
    request = json.loads(line)
    if not isinstance(request, dict):
        raise ValueError("the line is not a JSON object")  # noqa: TRY004 - text misread, not misused
    named, text = request.get("profile"), request.get("hex")
    if not isinstance(named, str) or not isinstance(text, str):
        raise ValueError('the line needs "profile" and "hex", both text')  # noqa: TRY004 - as above
    try:
        return named, bytes.fromhex(text)
    except ValueError as error:
        raise ValueError(f'"hex" is not hexadecimal: {error}') from error


@cache
def _by_any_name() -> MappingProxyType[str, Profile[Any]]:
    known: dict[str, Profile[Any]] = {}
    for module in _modules():
        for found in getattr(module, "PROFILES", ()):
            for name in (found.name, *found.aliases):
                if name.casefold() in known:
                    raise RuntimeError(f"{module.__name__}: a second profile named {name!r}")
                known[name.casefold()] = found
    return MappingProxyType(known)


def _modules() -> Iterator[ModuleType]:
    for package_name in PROFILE_PACKAGES:
        package = import_module(package_name)
        for info in iter_modules(package.__path__, f"{package_name}."):
            yield import_module(info.name)
