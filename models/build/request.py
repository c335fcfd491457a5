"""What the builder is asked for. No TensorFlow: the command line checks a request first."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from models.build.architectures import head_layers, network, sparse_layers
from models.build.layers import Network
from models.errors import RequestError
from models.spec import (
    ARCHITECTURES,
    AXES,
    CLASSIFICATION,
    HEAD,
    REGRESSION,
    SEGMENTATION,
    SPARSE,
    Channel,
    Target,
)

# 16 MiB of float32: far beyond what a gateway should train, and it bounds a typing error.
MAX_PARAMETERS = 4_000_000
_SIZE = re.compile(r"[1-9][0-9]{0,6}(x[1-9][0-9]{0,6}){0,2}")


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """One artifact to build into the folder `out`.

    `channels` and `class_names` may be empty: c0, c1, ... of unit "1" and
    0, 1, ... take their place. Only classification and segmentation have classes, only regression
    has targets. `sparse` names the layers of that training mode; the last two when empty.
    Raises RequestError where the fields do not suit each other.
    """

    architecture: str
    input_shape: tuple[int, ...]
    classes: int
    out: Path
    batch_size: int = 32
    name: str = ""
    rate_hz: float | None = None
    channels: tuple[Channel, ...] = ()
    class_names: tuple[str, ...] = ()
    seed: int = field(default=0)
    targets: tuple[Target, ...] = ()
    sparse: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.architecture not in ARCHITECTURES:
            known = ", ".join(ARCHITECTURES)
            raise RequestError("arch", f"{self.architecture!r} is not one of {known}")
        if len(self.input_shape) not in AXES[self.task] or min(self.input_shape) < 1:
            raise RequestError("input", f"{self.input_shape} does not suit {self.architecture}")
        if not 1 <= self.batch_size <= 4096:
            raise RequestError("batch", f"{self.batch_size} is not between 1 and 4096")
        if self.rate_hz is not None and not 0 < self.rate_hz < 1e6:
            raise RequestError("rate", f"{self.rate_hz} is not a sampling rate in Hz")
        self._check_classes()
        self._check_channels()
        self._check_targets()
        net = self.network()
        if net.layout()[-1].offset > MAX_PARAMETERS:
            raise RequestError("input", f"makes a model of more than {MAX_PARAMETERS} parameters")
        weights = {b.name.removesuffix(".weight") for b in net.layout()} & {
            layer.name for layer in net.layers
        }
        if unknown := set(self.sparse) - weights:
            raise RequestError(
                "sparse", f"{', '.join(sorted(unknown))}: {self.architecture} has "
                f"{', '.join(sorted(weights))}"
            )  # fmt: skip

    @property
    def task(self) -> str:
        """What the architecture is for."""
        return ARCHITECTURES[self.architecture]

    def network(self) -> Network:
        """The layers that are asked for."""
        outputs = len(self.targets) if self.task == REGRESSION else self.classes
        return network(self.architecture, self.input_shape, outputs)

    def trained_layers(self) -> dict[str, tuple[str, ...]]:
        """Training mode -> names of the layers that it trains."""
        net = self.network()
        return {HEAD: head_layers(net), SPARSE: self.sparse or sparse_layers(net)}

    def _check_classes(self) -> None:
        if self.task not in (CLASSIFICATION, SEGMENTATION):
            if self.classes or self.class_names:
                raise RequestError("classes", f"{self.architecture} has none")
            return
        if not 2 <= self.classes <= 10_000:
            raise RequestError("classes", f"{self.classes} is not between 2 and 10000")
        if self.class_names and len(self.class_names) != self.classes:
            raise RequestError("class-names", f"are {len(self.class_names)}, not {self.classes}")
        if len(set(self.class_names)) != len(self.class_names) or "" in self.class_names:
            raise RequestError("class-names", "hold an empty name or one twice")

    def _check_targets(self) -> None:
        if (self.task == REGRESSION) != bool(self.targets):
            reason = "needs at least one" if self.task == REGRESSION else "has none"
            raise RequestError("targets", f"{self.architecture} {reason}")
        known = {channel.name for channel in self.named_channels()}
        for target in self.targets:
            if target.channel not in known:
                raise RequestError("targets", f"{target.channel!r} is not a channel")
        if len({target.name for target in self.targets}) != len(self.targets):
            raise RequestError("targets", "hold a name twice")

    def _check_channels(self) -> None:
        names = [channel.name for channel in self.channels]
        if names and len(names) != self.input_shape[-1]:
            raise RequestError("channels", f"are {len(names)}, not {self.input_shape[-1]}")
        if len(set(names)) != len(names):
            raise RequestError("channels", "hold a name twice")

    def named_channels(self) -> tuple[Channel, ...]:
        """The channels asked for, or c0, c1, ... of unit "1"."""
        return self.channels or tuple(Channel(f"c{i}", "1") for i in range(self.input_shape[-1]))

    def named_classes(self) -> tuple[str, ...]:
        """The class names asked for, or 0, 1, ..."""
        return self.class_names or tuple(str(index) for index in range(self.classes))


def parse_input(text: str) -> tuple[int, ...]:
    """ "28x28x1" -> (28, 28, 1), "200x6" -> (200, 6), "13" -> (13,); raises RequestError."""
    if not _SIZE.fullmatch(text):
        raise RequestError(
            "input",
            f"{text!r} is not like 13, 200x6 (steps x channels) or 28x28x1 (rows x columns x ..)",
        )
    return tuple(int(part) for part in text.split("x"))


def parse_channels(text: str) -> tuple[Channel, ...]:
    """ "ax:[g],hr:/min,sex" -> channels and their UCUM units; without one it is "1".

    Raises RequestError.
    """
    channels = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*([^:\[\]\s]+)\s*(?::\s*([^:\s]+)\s*)?", part)
        if match is None:
            raise RequestError("channels", f"{part!r} is not like ax:[g]")
        channels.append(Channel(match[1], match[2] or "1"))
    return tuple(channels)


def parse_class_names(text: str) -> tuple[str, ...]:
    """ "walk,sit" -> names; raises RequestError on an empty one."""
    names = tuple(part.strip() for part in text.split(","))
    if "" in names:
        raise RequestError("class-names", f"{text!r} holds an empty name")
    return names


def parse_targets(text: str) -> tuple[Target, ...]:
    """ "glucose+6" -> the channel's value 6 readings after the window; raises RequestError."""
    targets = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*([^:\[\]+\s]+)\+([0-9]{1,6})\s*", part)
        if match is None:
            raise RequestError("targets", f"{part!r} is not like glucose+6 (channel + readings)")
        targets.append(Target(f"{match[1]}+{match[2]}", match[1], int(match[2])))
    return tuple(targets)
