"""Reading a spec: one JSON file beside the model's .tflite files.

Reading is strict: an unknown, missing or wrong key is a SpecError that names file and field.
"""

from __future__ import annotations

import json
import math
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn

from models.errors import ParameterError, SpecError
from models.normalisation import Normalisation
from models.spec import (
    ARCHITECTURES,
    AXES,
    CLASSIFICATION,
    FORMAT,
    INPUT,
    MODES,
    REGRESSION,
    SEGMENTATION,
    TASKS,
    Channel,
    ModelSpec,
    ParameterBlock,
    Role,
    Target,
    TrainingMode,
)

# A spec larger than this was not written by us; parsing it could eat a gateway's memory.
MAX_SPEC_BYTES = 1 << 20


def load_spec(path: Path) -> ModelSpec:
    """Read the spec at `path`; raises SpecError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SpecError(path, "file", f"cannot be read: {error.strerror}") from error
    return parse_spec(data, path)


def parse_spec(data: bytes, path: Path | None = None) -> ModelSpec:
    """A spec from JSON bytes; `path` only appears in errors."""
    if len(data) > MAX_SPEC_BYTES:
        raise SpecError(path, "file", f"is larger than {MAX_SPEC_BYTES} bytes")
    try:
        tree = json.loads(data, object_pairs_hook=_unique_keys)
    except (ValueError, RecursionError) as error:
        raise SpecError(path, "file", f"is not JSON: {error}") from error
    try:
        return _Reader(path).spec(tree)
    except ParameterError as error:
        raise SpecError(path, "normalisation", error.reason) from error


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) != len(pairs):
        raise ValueError("a key occurs twice")
    return tree


class _Reader:
    """Checks a JSON tree field by field; every refusal names the field."""

    # What `dump_spec` writes: "format", and the fields under their own names.
    _KEYS = ("format", *(field.name for field in fields(ModelSpec)))

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def spec(self, tree: object) -> ModelSpec:
        top = self._table(tree, "file", self._KEYS)
        if top["format"] != FORMAT or isinstance(top["format"], bool):
            self._fail("format", f"is {top['format']!r}, this version reads {FORMAT}")
        spec = ModelSpec(
            name=self._text(top["name"], "name"),
            architecture=self._one_of(top["architecture"], "architecture", tuple(ARCHITECTURES)),
            task=self._one_of(top["task"], "task", TASKS),
            input_shape=self._shape(top["input_shape"], "input_shape"),
            rate_hz=self._rate(top["rate_hz"]),
            channels=self._channels(top["channels"]),
            classes=self._names(top["classes"], "classes"),
            targets=self._targets(top["targets"]),
            batch_size=self._integer(top["batch_size"], "batch_size", 1),
            parameters=self._integer(top["parameters"], "parameters", 1),
            layout=self._layout(top["layout"]),
            modes=self._modes(top["modes"]),
            normalisation=self._normalisation(top["normalisation"]),
            files=self._files(top["files"]),
        )
        self._check_agreement(spec)
        return spec

    def _check_agreement(self, spec: ModelSpec) -> None:
        if len(spec.channels) != spec.input_shape[-1]:
            self._fail("channels", "are not as many as the last axis of input_shape")
        if ARCHITECTURES[spec.architecture] != spec.task:
            self._fail("task", f"{spec.task} does not suit {spec.architecture}")
        if (spec.task in (CLASSIFICATION, SEGMENTATION)) != (len(spec.classes) >= 2):
            self._fail("classes", f"{len(spec.classes)} do not suit the task {spec.task}")
        if (spec.task == REGRESSION) != bool(spec.targets):
            self._fail("targets", f"{len(spec.targets)} do not suit the task {spec.task}")
        if len(spec.input_shape) not in AXES[spec.task]:
            self._fail("input_shape", f"does not suit the task {spec.task}")
        known = {channel.name for channel in spec.channels}
        for index, target in enumerate(spec.targets):
            if target.channel not in known:
                self._fail(f"targets[{index}].channel", f"{target.channel!r} is not a channel")
        if spec.normalisation and len(spec.normalisation.mean) != len(spec.channels):
            self._fail("normalisation", "does not have one entry for each channel")
        self._check_layout(spec)
        self._check_modes(spec)

    def _check_layout(self, spec: ModelSpec) -> None:
        offset = 0
        for index, block in enumerate(spec.layout):
            if block.offset != offset:
                self._fail(f"layout[{index}].offset", f"is {block.offset}, expected {offset}")
            offset += block.size
        if offset != spec.parameters:
            self._fail("parameters", f"is {spec.parameters}, the layout has {offset}")

    def _check_modes(self, spec: ModelSpec) -> None:
        names = {block.name for block in spec.layout}
        for index, mode in enumerate(spec.modes):
            if mode.file not in spec.files:
                self._fail(f"modes[{index}].file", f"{mode.file!r} is not in files")
            if set(mode.blocks) - names:
                self._fail(f"modes[{index}].blocks", "name a block that the layout has not")
            if f"{mode.begins_at}.range" not in names:
                self._fail(f"modes[{index}].begins_at", "is not a layer with a range")
            if mode.begins_at == INPUT and mode.features != spec.input_shape:
                self._fail(f"modes[{index}].features", "are not the input's shape")
            missing = {f"{layer}.weight" for layer in mode.layers} - set(mode.blocks)
            if missing or not mode.layers:
                self._fail(f"modes[{index}].layers", "are not among the blocks")

    def _rate(self, value: object) -> float | None:
        if value is None:
            return None
        rate = self._number(value, "rate_hz")
        if rate <= 0:
            self._fail("rate_hz", "is not positive")
        return rate

    def _channels(self, value: object) -> tuple[Channel, ...]:
        channels = []
        for index, item in enumerate(self._list(value, "channels")):
            field = f"channels[{index}]"
            table = self._table(item, field, ("name", "unit"))
            channels.append(
                Channel(
                    self._text(table["name"], f"{field}.name"),
                    self._text(table["unit"], f"{field}.unit"),
                )
            )
        self._distinct([c.name for c in channels], "channels")
        return tuple(channels)

    def _targets(self, value: object) -> tuple[Target, ...]:
        targets = []
        for index, item in enumerate(self._list(value, "targets")):
            field = f"targets[{index}]"
            table = self._table(item, field, ("name", "channel", "ahead"))
            targets.append(
                Target(
                    self._text(table["name"], f"{field}.name"),
                    self._text(table["channel"], f"{field}.channel"),
                    self._integer(table["ahead"], f"{field}.ahead", 0),
                )
            )
        self._distinct([t.name for t in targets], "targets")
        return tuple(targets)

    def _modes(self, value: object) -> tuple[TrainingMode, ...]:
        modes = []
        for index, item in enumerate(self._list(value, "modes")):
            field = f"modes[{index}]"
            table = self._table(item, field, tuple(f.name for f in fields(TrainingMode)))
            modes.append(
                TrainingMode(
                    self._one_of(table["name"], f"{field}.name", MODES[1:]),
                    self._text(table["file"], f"{field}.file"),
                    self._text(table["begins_at"], f"{field}.begins_at"),
                    self._shape(table["features"], f"{field}.features"),
                    self._names(table["layers"], f"{field}.layers"),
                    self._names(table["blocks"], f"{field}.blocks"),
                )
            )
        self._distinct([mode.name for mode in modes], "modes")
        return tuple(modes)

    def _names(self, value: object, field: str) -> tuple[str, ...]:
        names = [
            self._text(item, f"{field}[{index}]")
            for index, item in enumerate(self._list(value, field))
        ]
        self._distinct(names, field)
        return tuple(names)

    def _layout(self, value: object) -> tuple[ParameterBlock, ...]:
        blocks = []
        for index, item in enumerate(self._list(value, "layout")):
            field = f"layout[{index}]"
            table = self._table(item, field, ("name", "shape", "offset", "role"))
            role = self._one_of(table["role"], f"{field}.role", tuple(r.value for r in Role))
            blocks.append(
                ParameterBlock(
                    self._text(table["name"], f"{field}.name"),
                    self._shape(table["shape"], f"{field}.shape"),
                    self._integer(table["offset"], f"{field}.offset", 0),
                    Role(role),
                )
            )
        self._distinct([b.name for b in blocks], "layout")
        return tuple(blocks)

    def _normalisation(self, value: object) -> Normalisation | None:
        if value is None:
            return None
        table = self._table(value, "normalisation", ("mean", "std"))
        mean, std = (
            tuple(self._number(v, f"normalisation.{key}") for v in self._list(table[key], key))
            for key in ("mean", "std")
        )
        return Normalisation(mean, std)

    def _files(self, value: object) -> dict[str, str]:
        if not isinstance(value, dict) or not value:
            self._fail("files", "is not a table of file names and digests")
        for name, digest in value.items():
            # A name with a slash would let a spec point outside its own folder.
            if not name or Path(name).name != name:
                self._fail(f"files.{name}", "is not a plain file name")
            if not isinstance(digest, str) or len(digest) != 64 or set(digest) - set(_HEX):
                self._fail(f"files.{name}", "is not a SHA-256 in lower-case hexadecimal")
        return dict(value)

    def _table(self, value: object, field: str, keys: tuple[str, ...]) -> dict[str, Any]:
        if not isinstance(value, dict):
            self._fail(field, "is not a table")
        for key in value:
            if key not in keys:
                self._fail(key if field == "file" else f"{field}.{key}", "is not a known key")
        for key in keys:
            if key not in value:
                self._fail(key if field == "file" else f"{field}.{key}", "is missing")
        return value

    def _list(self, value: object, field: str) -> list[Any]:
        if not isinstance(value, list):
            self._fail(field, "is not a list")
        return value

    def _shape(self, value: object, field: str) -> tuple[int, ...]:
        shape = tuple(self._integer(v, field, 1) for v in self._list(value, field))
        if not shape:
            self._fail(field, "is empty")
        return shape

    def _integer(self, value: object, field: str, least: int) -> int:
        # bool is an int to Python, and never a count to us.
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 1 << 31:
            self._fail(field, f"is not an integer of at least {least}")
        return value

    def _number(self, value: object, field: str) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            self._fail(field, "is not a number")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            self._fail(field, "is not finite")
        return number

    def _text(self, value: object, field: str) -> str:
        if not isinstance(value, str) or not value:
            self._fail(field, "is not a text")
        return value

    def _one_of(self, value: object, field: str, choices: tuple[str, ...]) -> str:
        text = self._text(value, field)
        if text not in choices:
            self._fail(field, f"is {text!r}, not one of {', '.join(choices)}")
        return text

    def _distinct(self, names: list[str], field: str) -> None:
        if len(set(names)) != len(names):
            self._fail(field, "names something twice")

    def _fail(self, field: str, reason: str) -> NoReturn:
        raise SpecError(self._path, field, reason)


_HEX = "0123456789abcdef"
