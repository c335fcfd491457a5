"""The layers that every graph is drawn from, and the network that they make. No TensorFlow here.

Every activation is [rows, steps, channels]: a window has one row, a table or a flattened window
also one step, an image many of both. A dense layer is then a convolution over what is left. The
training graph, the int8 graph and the parameter layout need to know only five kinds of layer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from models.spec import ParameterBlock, Role

INPUT = "input"
INPUT_RANGE = f"{INPUT}.range"

Shape = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Convolution:
    """[rows, steps, in] -> [rows', steps', out].

    Along the steps only, or along both where `square`. Valid padding, or, with stride 1 and an
    odd kernel, `padded` with zeros to the same size.
    """

    name: str
    channels_out: int
    kernel: int = 1
    stride: int = 1
    relu: bool = False
    square: bool = False
    dilation: int = 1
    padded: bool = False

    @property
    def reach(self) -> int:
        """Steps from the first that one output sees to the last."""
        return (self.kernel - 1) * self.dilation + 1

    def shape(self, source: Shape) -> Shape:
        """Of the output."""
        rows, steps, _ = source
        if self.padded:
            return rows, steps, self.channels_out
        rows = self._shrunk(rows) if self.square else rows
        return rows, self._shrunk(steps), self.channels_out

    def weight_shape(self, source: Shape) -> tuple[int, int]:
        """[out, kernel * in]: one quantization scale a row."""
        return self.channels_out, self.kernel * (self.kernel if self.square else 1) * source[2]

    def _shrunk(self, size: int) -> int:
        return (size - self.reach) // self.stride + 1


@dataclass(frozen=True, slots=True)
class Depthwise:
    """A convolution along the steps of each channel by itself; valid padding."""

    name: str
    kernel: int
    stride: int = 1
    relu: bool = False

    def shape(self, source: Shape) -> Shape:
        """Of the output."""
        return source[0], (source[1] - self.kernel) // self.stride + 1, source[2]

    def weight_shape(self, source: Shape) -> tuple[int, int]:
        """[channels, kernel]: one quantization scale a row."""
        return source[2], self.kernel


@dataclass(frozen=True, slots=True)
class Mean:
    """[rows, steps, channels] -> [1, 1, channels]."""

    name: str

    def shape(self, source: Shape) -> Shape:
        """Of the output."""
        return 1, 1, source[2]


@dataclass(frozen=True, slots=True)
class Sum:
    """What comes in plus the output of the layer `other`, of the same shape."""

    name: str
    other: str
    relu: bool = False

    def shape(self, source: Shape) -> Shape:
        """Of the output."""
        return source


@dataclass(frozen=True, slots=True)
class Unfold:
    """[rows, steps, factor^2 * channels] -> [factor * rows, factor * steps, channels].

    Moves numbers and changes none (Shi et al. 2016, arXiv:1609.05158), so it has no range.
    """

    name: str
    factor: int = 2

    def shape(self, source: Shape) -> Shape:
        """Of the output."""
        rows, steps, channels = source
        return rows * self.factor, steps * self.factor, channels // self.factor**2


Layer = Convolution | Depthwise | Mean | Sum | Unfold


def has_relu(layer: Layer) -> bool:
    """Whether negative results become 0."""
    return isinstance(layer, Convolution | Depthwise | Sum) and layer.relu


@dataclass(frozen=True, slots=True)
class Network:
    """Layers over an input that is first reshaped to `rows` x `steps` x `channels`.

    The input of a whole network is quantized first; that of a network's end, which begins at the
    output of the layer `begins_at`, comes quantized.
    """

    steps: int
    channels: int
    layers: tuple[Layer, ...]
    rows: int = 1
    begins_at: str = INPUT

    @property
    def input_shape(self) -> Shape:
        """[rows, steps, channels]"""
        return self.rows, self.steps, self.channels

    def shapes(self) -> dict[str, Shape]:
        """Of the input and of every layer's output, by name."""
        here = self.input_shape
        found = {self.begins_at: here}
        for layer in self.layers:
            here = found[layer.name] = layer.shape(here)
        return found

    def layout(self) -> tuple[ParameterBlock, ...]:
        """Weights and biases layer by layer, then the range of every quantized activation."""
        pieces: list[tuple[str, tuple[int, ...], Role]] = []
        shapes = self.shapes()
        source = self.input_shape
        for layer in self.layers:
            out = shapes[layer.name]
            if isinstance(layer, Convolution | Depthwise):
                pieces.append((f"{layer.name}.weight", layer.weight_shape(source), Role.WEIGHT))
                pieces.append((f"{layer.name}.bias", (out[2],), Role.BIAS))
            source = out
        if self.begins_at == INPUT:
            pieces.append((INPUT_RANGE, (2,), Role.RANGE))
        pieces.extend(
            (f"{layer.name}.range", (2,), Role.RANGE)
            for layer in self.layers
            if not isinstance(layer, Unfold)
        )
        blocks: list[ParameterBlock] = []
        offset = 0
        for name, shape, role in pieces:
            blocks.append(ParameterBlock(name, shape, offset, role))
            offset += blocks[-1].size
        return tuple(blocks)

    def ending_with(self, names: tuple[str, ...]) -> Network:
        """The shortest end of this network that holds the layers `names`.

        All of it where the first of them, or a sum beyond it, needs the input.
        """
        position = {layer.name: i for i, layer in enumerate(self.layers)}
        cut = min(position[name] for name in names)
        while cut and not self._may_begin_at(cut, position):
            cut -= 1
        if not cut:
            return self
        before = self.layers[cut - 1].name
        rows, steps, channels = self.shapes()[before]
        return replace(
            self,
            steps=steps,
            channels=channels,
            rows=rows,
            layers=self.layers[cut:],
            begins_at=before,
        )

    def _may_begin_at(self, cut: int, position: dict[str, int]) -> bool:
        if isinstance(self.layers[cut - 1], Unfold):
            return False  # its output has no range, and no tensor of its own name
        others = [layer.other for layer in self.layers[cut:] if isinstance(layer, Sum)]
        return all(position[other] >= cut - 1 for other in others)
