"""Putting off a module that a library imports at its top and hardly ever uses."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType


def import_lazily(name: str) -> None:
    """Register a stand-in that imports the module when something is first asked of it (PEP 562).

    A module that has been imported already stays. importlib's own LazyLoader would not do: the
    second `import` of a name asks the module for its `__spec__`, and that loads it.
    """
    if name in sys.modules:
        return
    stand_in = ModuleType(name)

    def load(attribute: str) -> object:
        if sys.modules.get(name) is stand_in:
            del sys.modules[name]
        return getattr(import_module(name), attribute)

    vars(stand_in)["__getattr__"] = load
    sys.modules[name] = stand_in
    package, _, last = name.rpartition(".")
    if package:  # `import a.b` binds b in a only where it loads a.b itself
        setattr(import_module(package), last, stand_in)
