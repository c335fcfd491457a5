"""From a training module to the bytes of a .tflite that the stock runtimes load."""

from __future__ import annotations

import tempfile
from typing import Any

import tensorflow as tf

from models.build.canonical import canonical


def convert(module: Any) -> bytes:
    """The module's signatures as a .tflite of builtin ops only; same module, same bytes."""
    with tempfile.TemporaryDirectory() as directory:
        tf.saved_model.save(module, directory, signatures=module.entries)
        converter = tf.lite.TFLiteConverter.from_saved_model(directory)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        converter.experimental_enable_resource_variables = True
        return canonical(converter.convert())
