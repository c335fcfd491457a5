"""The tables of the TFLite schema that the int8 rewriting reads, and no others.

The `tflite` package imports all of its 180 tables at once: 2.5 MB of a gateway's memory and a tenth
of a second of its start, for the four that are needed. Its tables import each other only when asked
for, so they are imported here below a package whose own `__init__` has not run.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from types import ModuleType


def _bare_package(name: str) -> None:
    """Register the package without running its `__init__`; one that has run already stays."""
    if name in sys.modules:
        return
    spec = find_spec(name)
    if spec is None or spec.submodule_search_locations is None:
        return  # the import below says that it is missing
    package = ModuleType(name)
    package.__path__ = list(spec.submodule_search_locations)
    package.__spec__ = spec
    sys.modules[name] = package


_bare_package("tflite")

from tflite.Model import Model  # noqa: E402  (below what makes it cheap)
from tflite.Operator import Operator  # noqa: E402
from tflite.SubGraph import SubGraph  # noqa: E402
from tflite.Tensor import Tensor  # noqa: E402
from tflite.TensorType import TensorType  # noqa: E402

__all__ = ["Model", "Operator", "SubGraph", "Tensor", "TensorType"]
