"""The training graph: four signatures over one flat vector, in builtin ops only.

What keeps a TFLite without Flex able to run this, and fast:
- convolutions are patches times a matrix (`models.build.forward`),
- relu and the quantization clip are one maximum and one minimum,
- every quantizer has its gradient written by hand (`models.build.quantization`),
- losses are log_softmax with one_hot, hinge, or squared error (`models.build.objective`).
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from models.build.forward import Pass
from models.build.layers import Network
from models.build.objective import Objective
from models.build.quantization import SMALLEST_SPAN, moved_range
from models.spec import ParameterBlock, Role

Tensor = Any


class TrainingModule(tf.Module):  # type: ignore[misc]  # TensorFlow ships no types
    """Holds the flat vector, its momentum and its FedProx anchor; all float32[P].

    Args:
        net: a whole network or the end of one.
        goal: what is minimised.
        input_shape: of one example, or of one example's features where `net` is an end.
        batch_size: rows of a batch.
        trained: names of the layers whose weights move, or `None` for all. Ranges move always.
        truth_is_input: the loss compares with x itself, and y is not looked at.
    """

    def __init__(
        self,
        net: Network,
        goal: Objective,
        input_shape: tuple[int, ...],
        batch_size: int,
        trained: tuple[str, ...] | None = None,
        truth_is_input: bool = False,
    ) -> None:
        super().__init__()
        self._net = net
        self._goal = goal
        self._truth_is_input = truth_is_input
        self._layout = net.layout()
        self._trained = [
            b.role is not Role.RANGE and (trained is None or b.name.rpartition(".")[0] in trained)
            for b in self._layout
        ]
        self._total = sum(b.size for b in self._layout)
        self._ranges = sum(b.size for b in self._layout if b.role is Role.RANGE)
        self._vector = tf.Variable(tf.zeros([self._total]), name="vector")
        self._momentum = tf.Variable(tf.zeros([self._total]), name="momentum")
        self._anchor = tf.Variable(tf.zeros([self._total]), name="anchor")
        self.entries = self._signatures([batch_size, *input_shape], batch_size, trained is None)

    def _signatures(self, shape: list[int], batch_size: int, whole: bool) -> dict[str, Any]:
        batch = tf.TensorSpec(shape, tf.float32, name="x")
        scalar, flat = (tf.TensorSpec(shape, tf.float32) for shape in ([], [self._total]))
        unused = tf.TensorSpec([batch_size], tf.int32)
        entries = {
            "train": tf.function(self._train).get_concrete_function(
                x=batch,
                y=unused if self._truth_is_input else self._goal.truth,
                sample_weight=tf.TensorSpec([batch_size], tf.float32),
                learning_rate=scalar,
                momentum=scalar,
                mu=scalar,
                correction=flat,
            ),
            "parameters": tf.function(self._parameters).get_concrete_function(),
            "restore": tf.function(self._restore).get_concrete_function(parameters=flat),
        }
        if whole:
            entries["infer"] = tf.function(self._infer).get_concrete_function(x=batch)
        return entries

    def _train(
        self,
        *,
        x: Tensor,
        y: Tensor,
        sample_weight: Tensor,
        learning_rate: Tensor,
        momentum: Tensor,
        mu: Tensor,
        correction: Tensor,
    ) -> dict[str, Tensor]:
        vector = self._vector.read_value()
        pieces = self._pieces(vector)
        names = [b.name for b in self._layout]
        learnt = [pieces[name] for name, on in zip(names, self._trained, strict=True) if on]
        present = tf.cast(sample_weight > 0.0, tf.float32)
        pass_ = Pass(self._net, pieces, lambda r, a, relu: moved_range(r, a, relu, present))
        with tf.GradientTape() as tape:
            tape.watch(learnt)
            output = pass_.run(x)
            losses = self._goal.loss(x if self._truth_is_input else y, output)
            share = sample_weight / tf.maximum(tf.reduce_sum(sample_weight), SMALLEST_SPAN)
            loss = tf.reduce_sum(share * losses)
        gradient = self._spread(tape.gradient(loss, learnt))
        gradient += mu * (vector - self._anchor.read_value()) + correction
        velocity = momentum * self._momentum.read_value() + gradient
        self._momentum.assign(velocity)
        self._vector.assign(self._moved(vector, learning_rate * velocity, pass_.ranges))
        return {"loss": loss}

    def _spread(self, gradients: list[Tensor]) -> Tensor:
        """Gradients of the blocks that learn, and zeros for the others, as [P]."""
        left = iter(gradients)
        parts: list[Tensor] = []
        still = 0
        for block, on in zip(self._layout, self._trained, strict=True):
            if not on:
                still += block.size
                continue
            if still:
                parts.append(tf.zeros([still]))
                still = 0
            parts.append(tf.reshape(next(left), [-1]))
        return tf.concat([*parts, tf.zeros([still])], axis=0)

    def _moved(self, vector: Tensor, step: Tensor, ranges: list[Tensor]) -> Tensor:
        """Blocks that learn moved by the step, ranges replaced, all else as it is."""
        weights = self._total - self._ranges
        if all(self._trained[: len(self._layout) - len(ranges)]):
            return tf.concat([tf.slice(vector - step, [0], [weights]), *ranges], axis=0)
        parts = [
            tf.slice(vector - step if on else vector, [b.offset], [b.size])
            for b, on in zip(self._layout, self._trained, strict=True)
            if b.role is not Role.RANGE
        ]
        return tf.concat([*parts, *ranges], axis=0)

    def _infer(self, x: Tensor) -> dict[str, Tensor]:
        pass_ = Pass(self._net, self._pieces(self._vector.read_value()), lambda r, a, relu: r)
        return {"output": self._goal.answer(pass_.run(x))}

    def _parameters(self) -> dict[str, Tensor]:
        return {"parameters": self._vector.read_value()}

    def _restore(self, parameters: Tensor) -> dict[str, Tensor]:
        self._vector.assign(parameters)
        self._anchor.assign(parameters)
        self._momentum.assign(tf.zeros([self._total]))
        # A signature without an output is one that the converter drops.
        return {"parameters": tf.identity(parameters)}

    def _pieces(self, vector: Tensor) -> dict[str, Tensor]:
        cut = tf.split(vector, [b.size for b in self._layout])
        return {b.name: _shaped(piece, b) for b, piece in zip(self._layout, cut, strict=True)}


def _shaped(piece: Tensor, block: ParameterBlock) -> Tensor:
    return tf.reshape(piece, block.shape) if len(block.shape) > 1 else piece
