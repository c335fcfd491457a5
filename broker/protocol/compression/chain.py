"""The text that names a codec: stages between bars, each at most once, in this order.

    none                       float32 as it is; stands alone
    clip=NORM                  scale the delta down to an L2 norm of at most NORM
    residual[=SHARE]           add what earlier updates left out, keep what this one leaves out,
                               or a share of it
    topk=SHARE | randk=SHARE   send a share of the values: the largest, or the round's random ones
    rotate                     Hadamard rotation in blocks; not after topk
    sign[=BLOCK] | ternary[=BLOCK] | q2[=BLOCK] | q4[=BLOCK] | q8[=BLOCK]
                               quantize, with a scale per block of at most BLOCK values (256)
    golomb                     Golomb-Rice code positions and levels; else they are packed as bits

For example ``residual=0.5|topk=0.01|sign|golomb``. Without a quantizer values are float32.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from broker.protocol.compression.quantization import Grid
from broker.protocol.errors import LocalProtocolError

NONE = "none"
DEFAULT_BLOCK = 256
MAX_BLOCK = 1 << 20
# As long as a plan's field for it.
MAX_TEXT = 64
_MIN_SHARE = 1e-5
_STAGE = re.compile(r"([a-z][a-z0-9]{0,15})(?:=(\d{1,7}(?:\.\d{1,6})?))?")
_QUANTIZERS = tuple(grid.value for grid in Grid if grid is not Grid.FLOAT32)
_ORDER = (("clip",), ("residual",), ("topk", "randk"), ("rotate",), _QUANTIZERS, ("golomb",))
_VALUED = frozenset({"clip", "topk", "randk"})


@dataclass(frozen=True, slots=True)
class Chain:
    """A codec's stages.

    Attributes:
        clip: largest L2 norm, or ``None``.
        residual: whether there is error feedback (Karimireddy et al. 2019).
        keep: share of what is left out that is kept; the rest is forgotten, for local epochs that
            begin without it learn much of it again.
        top: share of the values with the largest magnitudes, or ``None`` for all.
        random: share of the values at the round's random indices, or ``None`` for all.
        rotate: whether blocks are rotated before they are quantized.
        grid: of the quantizer.
        block: most values of a scale, and the block of the rotation.
        golomb: whether positions and levels are entropy coded.
    """

    clip: float | None = None
    residual: bool = False
    top: float | None = None
    random: float | None = None
    rotate: bool = False
    grid: Grid = Grid.FLOAT32
    block: int = DEFAULT_BLOCK
    golomb: bool = False
    keep: float = 1.0

    def __str__(self) -> str:
        """Write the canonical text: parsing it gives the same chain."""
        stages = [
            f"clip={_number(self.clip)}" if self.clip is not None else "",
            self._feedback(),
            f"topk={_number(self.top)}" if self.top is not None else "",
            f"randk={_number(self.random)}" if self.random is not None else "",
            "rotate" if self.rotate else "",
            self._quantizer(),
            "golomb" if self.golomb else "",
        ]
        return "|".join(filter(None, stages)) or NONE

    @property
    def unbiased(self) -> bool:
        """Whether the mean of what is read is the delta (with ``residual``: and the residual)."""
        shrunk = self.clip is not None or (self.random is not None and self.residual)
        return not (shrunk or self.top is not None or self.grid is Grid.SIGN)

    def _feedback(self) -> str:
        if not self.residual:
            return ""
        return "residual" if self.keep == 1 else f"residual={_number(self.keep)}"

    def _quantizer(self) -> str:
        if self.grid is Grid.FLOAT32:
            return ""
        return self.grid if self.block == DEFAULT_BLOCK else f"{self.grid}={self.block}"


def parse_chain(text: str) -> Chain:
    """Read a chain.

    Raises:
        LocalProtocolError: it is none; the text says which stage is wrong.
    """
    if text == NONE:
        return Chain()
    if len(text) > MAX_TEXT:
        raise LocalProtocolError(f"codec of {len(text)} letters: at most {MAX_TEXT}")
    stages: dict[str, str | None] = {}
    place = 0
    for stage in text.split("|"):
        found = _STAGE.fullmatch(stage)
        if found is None:
            raise _wrong(text, f"{stage!r:.40} is no stage")
        name, value = found.groups()
        place = _place(text, name, place)
        stages[name] = _checked(text, name, value)
    return _chain(text, stages)


def _place(text: str, name: str, earliest: int) -> int:
    """Return the place in the order after this stage."""
    for place, names in enumerate(_ORDER):
        if name in names:
            if place < earliest:
                raise _wrong(text, f"{name!r} is twice, or too late in the chain")
            return place + 1
    known = ", ".join(name for names in _ORDER for name in names)
    raise _wrong(text, f"there is no stage {name!r}; there are {known}, and none by itself")


def _checked(text: str, name: str, value: str | None) -> str | None:
    if name in _VALUED and value is None:
        raise _wrong(text, f"{name!r} needs a number, as in {name}=0.01")
    if value is not None and name not in (*_VALUED, *_QUANTIZERS, "residual"):
        raise _wrong(text, f"{name!r} takes no number")
    return value


def _chain(text: str, stages: dict[str, str | None]) -> Chain:
    quantizer = next((name for name in stages if name in _QUANTIZERS), None)
    keep = _within(text, stages, "residual", _MIN_SHARE, 1.0)
    chain = Chain(
        clip=_within(text, stages, "clip", 1e-6, 1e6),
        residual="residual" in stages,
        top=_within(text, stages, "topk", _MIN_SHARE, 1.0),
        random=_within(text, stages, "randk", _MIN_SHARE, 1.0),
        rotate="rotate" in stages,
        grid=Grid.FLOAT32 if quantizer is None else Grid(quantizer),
        block=DEFAULT_BLOCK if quantizer is None else _block(text, quantizer, stages[quantizer]),
        golomb="golomb" in stages,
        keep=1.0 if keep is None else keep,
    )
    if chain.rotate and chain.top is not None:
        raise _wrong(text, "'rotate' would spread again what 'topk' has picked")
    if chain.rotate and chain.block & (chain.block - 1):
        raise _wrong(text, f"'rotate' needs a block that is a power of two, not {chain.block}")
    if chain.golomb and chain.grid is Grid.FLOAT32 and chain.top is None:
        raise _wrong(text, "'golomb' has nothing to code: neither positions nor levels")
    return chain


def _within(
    text: str, stages: dict[str, str | None], name: str, low: float, high: float
) -> float | None:
    value = stages.get(name)
    if value is None:
        return None
    if not low <= (number := float(value)) <= high:
        raise _wrong(text, f"{name}={value} is outside {low:g} to {high:g}")
    return number


def _block(text: str, name: str, value: str | None) -> int:
    if value is None:
        return DEFAULT_BLOCK
    if "." in value or not 1 <= int(value) <= MAX_BLOCK:
        raise _wrong(text, f"{name}={value}: a block is a whole number, 1 to {MAX_BLOCK}")
    return int(value)


def _number(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _wrong(text: str, reason: str) -> LocalProtocolError:
    return LocalProtocolError(f"codec {text!r:.80}: {reason}")
