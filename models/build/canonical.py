"""Makes a converted .tflite small and the same on every run."""

from __future__ import annotations

import flatbuffers  # type: ignore[import-untyped]  # ships no types
from tensorflow.lite.python import schema_py_generated as schema


def canonical(model: bytes) -> bytes:
    """The same graph without metadata, which names a TensorFlow build, and with equal
    buffers stored once, which are the zeros that the three variables begin with."""
    tree = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    tree.metadata, tree.description = [], b"perfuse"
    kept: list[schema.BufferT] = []
    index_of: dict[bytes, int] = {}
    moved: list[int] = []
    for buffer in tree.buffers:
        data = b"" if buffer.data is None else bytes(buffer.data)
        if data not in index_of:
            index_of[data] = len(kept)
            kept.append(buffer)
        moved.append(index_of[data])
    tree.buffers = kept
    for subgraph in tree.subgraphs:
        for tensor in subgraph.tensors:
            tensor.buffer = moved[tensor.buffer]
    builder = flatbuffers.Builder(len(model))
    builder.Finish(tree.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())
