"""How much memory an object holds on to. Pure."""

from __future__ import annotations

import gc
import sys
from types import BuiltinFunctionType, FunctionType, ModuleType

import numpy as np

# Shared by the whole process: what they refer to is nobody's own.
_SHARED = (type, ModuleType, FunctionType, BuiltinFunctionType)


def reachable_bytes(root: object, *, but: tuple[object, ...] = ()) -> int:
    """Return the bytes of all objects that can be reached from ``root``, each once.

    Args:
        but: objects that are not entered, a log on the disk for one.
    """
    seen = {id(thing) for thing in but}
    waiting, total = [root], 0
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, _SHARED):
            continue
        seen.add(id(thing))
        total += sys.getsizeof(thing)
        if isinstance(thing, np.ndarray) and thing.base is not None:
            waiting.append(thing.base)  # a view: the collector does not see whose
        waiting.extend(gc.get_referents(thing))
    return total
