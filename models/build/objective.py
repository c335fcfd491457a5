"""What is minimised, and what `infer` answers: one objective a task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from models.spec import CLASSIFICATION, RECONSTRUCTION, REGRESSION, SEGMENTATION

Tensor = Any


@dataclass(frozen=True, slots=True)
class Objective:
    """Loss per example and what `infer` answers, both from the last layer's output."""

    loss: Callable[[Tensor, Tensor], Tensor]
    """(y, output [B, K]) -> float32[B]; y as `truth` has it"""
    answer: Callable[[Tensor], Tensor]
    truth: Any
    """tf.TensorSpec of y"""


def objective(
    task: str, architecture: str, outputs: int, batch: int, input_shape: tuple[int, ...]
) -> Objective:
    """Cross-entropy, multi-class hinge (Crammer and Singer 2001), or mean squared error."""
    if task == CLASSIFICATION:
        truth = tf.TensorSpec([batch], tf.int32)
        if architecture == "svm":
            return Objective(lambda y, out: _hinge(tf.one_hot(y, outputs), out), tf.identity, truth)
        return Objective(
            lambda y, out: _cross_entropy(tf.one_hot(y, outputs), out), tf.nn.softmax, truth
        )
    if task == SEGMENTATION:
        pixels = input_shape[0] * input_shape[1]
        return Objective(
            lambda y, out: _mean_cross_entropy(y, out, pixels, outputs),
            lambda out: _pixel_probabilities(out, pixels, outputs),
            tf.TensorSpec([batch, *input_shape[:2]], tf.int32),
        )
    assert task in (RECONSTRUCTION, REGRESSION)
    shape = [outputs] if task == REGRESSION else list(input_shape)
    return Objective(_squared_error, tf.identity, tf.TensorSpec([batch, *shape], tf.float32))


def _cross_entropy(target: Tensor, scores: Tensor) -> Tensor:
    return -tf.reduce_sum(target * tf.nn.log_softmax(scores), axis=1)


def _mean_cross_entropy(y: Tensor, out: Tensor, pixels: int, classes: int) -> Tensor:
    batch = out.shape[0]
    target = tf.one_hot(tf.reshape(y, [batch * pixels]), classes)
    losses = _cross_entropy(target, tf.reshape(out, [batch * pixels, classes]))
    return tf.reduce_mean(tf.reshape(losses, [batch, pixels]), axis=1)


def _pixel_probabilities(out: Tensor, pixels: int, classes: int) -> Tensor:
    batch = out.shape[0]
    shares = tf.nn.softmax(tf.reshape(out, [batch * pixels, classes]))
    return tf.reshape(shares, [batch, pixels * classes])


def _squared_error(y: Tensor, out: Tensor) -> Tensor:
    return tf.reduce_mean(tf.square(out - tf.reshape(y, out.shape)), axis=1)


def _hinge(target: Tensor, scores: Tensor) -> Tensor:
    """max(0, 1 + best wrong score - right score), float32[B]"""
    right = tf.reduce_sum(target * scores, axis=1)
    # The margin is added to wrong classes only; the right one then contributes exactly 0.
    margins = scores + (1.0 - target)
    return tf.reduce_max(margins, axis=1) - right
