"""The one place that knows which TFLite runtime is installed.

tflite-runtime up to Python 3.11, its successor ai-edge-litert above; both have
the same Interpreter. Imported on first use: a server that never runs a model
never pays for it.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from models.errors import ArtifactError, RuntimeMissingError

_RUNTIMES = ("tflite_runtime", "ai_edge_litert")


def open_interpreter(model: Path | bytes, num_threads: int = 1) -> Any:
    """An Interpreter over the file or the bytes of a .tflite, its tensors allocated.

    Raises ArtifactError if the runtime refuses it, RuntimeMissingError if there
    is no runtime.
    """
    source = {"model_content": model} if isinstance(model, bytes) else {"model_path": str(model)}
    try:
        interpreter = _runtime().Interpreter(num_threads=num_threads, **source)
        # tflite-runtime applies XNNPACK here and nowhere else: without this line
        # every signature runs on the reference kernels, at a third of the speed.
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        path = Path("<memory>") if isinstance(model, bytes) else model
        raise ArtifactError(path, f"{runtime_name()} cannot load it: {error}") from error
    return interpreter


def runtime_name() -> str:
    """ "tflite_runtime" or "ai_edge_litert"; raises RuntimeMissingError."""
    return _runtime().__name__.partition(".")[0]


@cache
def _runtime() -> ModuleType:
    for name in _RUNTIMES:
        try:
            return import_module(f"{name}.interpreter")
        except ModuleNotFoundError:
            continue
    raise RuntimeMissingError(_RUNTIMES)
