"""The one place that knows which TFLite runtime is installed.

tflite-runtime up to Python 3.11, its successor ai-edge-litert above; both have
the same Interpreter. Imported on first use: a server that never runs a model
never pays for it.
"""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock
from types import ModuleType
from typing import Any

from models.errors import ArtifactError, RuntimeMissingError

_RUNTIMES = ("tflite_runtime", "ai_edge_litert")


def open_interpreter(model: Path | bytes, num_threads: int = 1) -> Any:
    """An Interpreter over the file or the bytes of a .tflite, its tensors allocated.

    Raises ArtifactError if the runtime refuses it, RuntimeMissingError if there
    is no runtime.
    """
    try:
        return _allocated(model, num_threads, "AUTO")
    except RuntimeError:
        # XNNPACK refuses quantization scales that are far apart, as averaged or noisy
        # ranges can be. The reference kernels take them, slowly; better than no inference.
        return _without_delegates(model, num_threads)
    except ValueError as error:
        raise _refused(model, error) from error


def runtime_name() -> str:
    """ "tflite_runtime" or "ai_edge_litert"; raises RuntimeMissingError."""
    return _runtime().__name__.partition(".")[0]


def _without_delegates(model: Path | bytes, num_threads: int) -> Any:
    try:
        return _allocated(model, num_threads, "BUILTIN_WITHOUT_DEFAULT_DELEGATES")
    except (ValueError, RuntimeError) as error:
        raise _refused(model, error) from error


def _allocated(model: Path | bytes, num_threads: int, resolver: str) -> Any:
    runtime = _runtime()
    source = {"model_content": model} if isinstance(model, bytes) else {"model_path": str(model)}
    with _quiet:
        interpreter = runtime.Interpreter(
            num_threads=num_threads,
            experimental_op_resolver_type=getattr(runtime.OpResolverType, resolver),
            **source,
        )
        # tflite-runtime applies XNNPACK here and nowhere else: without this line
        # every signature runs on the reference kernels, at a third of the speed.
        interpreter.allocate_tensors()
    return interpreter


class _Quiet:
    """Keeps the C++ runtime's INFO lines off stderr; all else that is said meanwhile is passed on.

    The runtime has no setting for it, and a gateway's log is read by people.
    """

    def __init__(self) -> None:
        self._one_at_a_time = Lock()

    def __enter__(self) -> None:
        self._one_at_a_time.acquire()
        self._said = TemporaryFile()
        self._stderr = os.dup(2)
        os.dup2(self._said.fileno(), 2)

    def __exit__(self, *_: object) -> None:
        os.dup2(self._stderr, 2)
        os.close(self._stderr)
        self._said.seek(0)
        for line in self._said:
            if not line.startswith(b"INFO: "):
                os.write(2, line)
        self._said.close()
        self._one_at_a_time.release()


_quiet = _Quiet()


def _refused(model: Path | bytes, error: Exception) -> ArtifactError:
    path = Path("<memory>") if isinstance(model, bytes) else model
    return ArtifactError(path, f"{runtime_name()} cannot load it: {error}")


@cache
def _runtime() -> ModuleType:
    for name in _RUNTIMES:
        try:
            return import_module(f"{name}.interpreter")
        except ModuleNotFoundError:
            continue
    raise RuntimeMissingError(_RUNTIMES)
