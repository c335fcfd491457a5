"""Fake quantization, with gradients written by hand (Jacob et al. 2018, arXiv:1712.05877)."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

Tensor = Any

# A range shrinks by this share of the way to each batch's extremes, and grows at once.
RANGE_STEP = 0.1
# Keeps a scale from being 0 where a weight row or an activation is all zero.
SMALLEST_SPAN = 1e-6


@tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow ships no types
def quantized_weight(weight: Tensor) -> Any:
    """Symmetric int8, one scale a row; nothing is clipped, so the gradient is the identity."""
    largest = tf.reduce_max(tf.abs(weight), axis=1, keepdims=True)
    scale = tf.maximum(largest, SMALLEST_SPAN) * (1.0 / 127.0)
    return tf.round(weight / scale) * scale, lambda upstream: upstream


def quantized_activation(x: Tensor, limits: Tensor, relu: bool) -> Tensor:
    """Asymmetric int8 over `limits` widened to hold 0; a relu is the clip's lower end.

    The gradient is straight through, and 0 where a value was clipped.
    """
    low = tf.minimum(limits[0], 0.0)
    span = tf.maximum(tf.maximum(limits[1], 0.0) - low, SMALLEST_SPAN)
    scale = span * (1.0 / 255.0)
    zero = tf.round(low / scale)
    bottom = tf.maximum(zero, 0.0) if relu else zero

    @tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow ships no types
    def quantize(x: Tensor) -> Any:
        levels = tf.round(x * (1.0 / scale))
        kept = tf.minimum(tf.maximum(levels, bottom), zero + 255.0)

        def gradient(upstream: Tensor) -> Tensor:
            return upstream * tf.cast(tf.equal(kept, levels), tf.float32)

        return kept * scale, gradient

    return quantize(x)


def moved_range(limits: Tensor, x: Tensor, relu: bool, present: Tensor) -> Tensor:
    """`limits` moved to the extremes of those rows of x [B, ...] that are present.

    Outwards all the way, inwards by RANGE_STEP: a plain moving average clips the
    examples with the largest scores, whose gradient then vanishes just when it
    is needed, and training dies. Ranges always hold 0, so a row that is absent
    may count as one of zeros.
    """
    inner = list(range(1, len(x.shape)))
    if relu:
        low = tf.constant(0.0)
    else:
        low = tf.minimum(tf.reduce_min(tf.reduce_min(x, axis=inner) * present), 0.0)
    high = tf.maximum(tf.reduce_max(tf.reduce_max(x, axis=inner) * present), 0.0)
    slow = limits + RANGE_STEP * (tf.stack([low, high]) - limits)
    return tf.stack([tf.minimum(slow[0], low), tf.maximum(slow[1], high)])
