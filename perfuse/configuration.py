"""TOML files read into settings dataclasses, strictly; a wrong key is named with file and line."""

from __future__ import annotations

import difflib
import re
import tomllib
import types
import typing
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from broker.settings import SettingError

S = TypeVar("S")

_HEADER = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.\"' -]+?)\s*\]")
_KEY = re.compile(r"\s*[\"']?([A-Za-z0-9_-]+)[\"']?\s*[.=]")


class ConfigurationError(Exception):
    """A configuration file that is not used.

    Attributes:
        path: the file.
        line: where in it, from 1; 0 when the file as a whole is wrong.
        reason: what is wrong, naming the key.
    """

    def __init__(self, path: Path, line: int, reason: str) -> None:
        super().__init__(f"{path}:{line}: {reason}" if line else f"{path}: {reason}")
        self.path = path
        self.line = line
        self.reason = reason


def load(path: Path, cls: type[S]) -> S:
    """Read a TOML file into a settings dataclass.

    Raises:
        ConfigurationError: not readable, not TOML, an unknown or missing key, a wrong type or
            value.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        raise ConfigurationError(path, 0, reason or str(error)) from error
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        line = int(found[1]) if found else len(text.splitlines())
        raise ConfigurationError(path, line, f"not TOML: {error}") from error
    return typing.cast(S, _Builder(path, _lines_of(text)).build(cls, table, ""))


@contextmanager
def named_in(path: Path) -> Iterator[None]:
    """Name file and line of a setting that is refused later: because of the model, for instance.

    Raises:
        ConfigurationError: instead of a SettingError.
    """
    try:
        yield
    except SettingError as error:
        lines = _lines_of(path.read_text(encoding="utf-8"))
        _Builder(path, lines).refuse(error.key, f"{error.key}: {error.reason}")


class _Builder:
    def __init__(self, path: Path, lines: dict[str, int]) -> None:
        self._path = path
        self._lines = lines

    def build(self, cls: Any, table: dict[str, Any], at: str) -> Any:
        hints = typing.get_type_hints(cls)
        for key in table:
            if key not in hints:
                close = difflib.get_close_matches(key, hints, 1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                self.refuse(_join(at, key), f"unknown key {_plain(_join(at, key))!r}{hint}")
        required = {
            f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING
        }
        if missing := sorted(required - table.keys()):
            self.refuse(at, f"missing key {_plain(_join(at, missing[0]))!r}")
        values = {k: self._value(hints[k], v, _join(at, k)) for k, v in table.items()}
        try:
            return cls(**values)
        except SettingError as error:
            # A table's own key is named as seen from the whole file; we know the table better.
            key = _join(at, error.key.rsplit(".", 1)[-1]) if at else error.key
            self.refuse(key, f"{_plain(key)}: {error.reason}")

    def _value(self, hint: Any, value: Any, at: str) -> Any:
        if typing.get_origin(hint) is tuple:
            return self._tuple(typing.get_args(hint)[0], value, at)
        if isinstance(hint, types.UnionType):
            hint = next(arg for arg in typing.get_args(hint) if arg is not type(None))
        if is_dataclass(hint):
            if not isinstance(value, dict):
                self.refuse(at, f"{_plain(at)}: expected a table, found {_kind(value)}")
            return self.build(hint, value, at)
        if hint is float and type(value) is int:
            return float(value)
        if type(value) is not hint:
            self.refuse(at, f"{_plain(at)}: expected {_NAMES[hint]}, found {_kind(value)}")
        return value

    def _tuple(self, item: Any, value: Any, at: str) -> tuple[Any, ...]:
        if not isinstance(value, list):
            self.refuse(at, f"{_plain(at)}: expected an array, found {_kind(value)}")
        return tuple(self._value(item, v, f"{at}[{i}]") for i, v in enumerate(value))

    def refuse(self, at: str, reason: str) -> typing.NoReturn:
        """Raise ConfigurationError, with the line of a key or of the table that would have it."""
        while at and at not in self._lines:
            first = f"{at}[0]"
            at = first if first in self._lines else at[: max(at.rfind("."), at.rfind("["), 0)]
        raise ConfigurationError(self._path, self._lines.get(at, 0), reason)


_NAMES = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


def _kind(value: object) -> str:
    names = {dict: "a table", list: "an array", **_NAMES}
    return names.get(type(value), type(value).__name__)


def _join(at: str, key: str) -> str:
    return f"{at}.{key}" if at else key


def _plain(at: str) -> str:
    return re.sub(r"\[\d+\]", "", at)


def _lines_of(text: str) -> dict[str, int]:
    """Map each key's path, such as ``sensor[1].port``, to its line."""
    lines: dict[str, int] = {}
    counts: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = header[2].replace(" ", "").replace('"', "")
            if header[1] == "[[":
                index = counts.get(table, 0)
                counts[table] = index + 1
                table = f"{table}[{index}]"
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            lines.setdefault(_join(table, key[1]), number)
    return lines
