"""Keeping the process small: gateways have little memory, and are idle most of the time."""

from __future__ import annotations

import ctypes
import gc

_M_ARENA_MAX = -8  # malloc.h


def use_one_arena() -> None:
    """Let all threads allocate from one heap; glibc would keep one for each. Call it first."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc's alone
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)


def give_memory_back() -> None:
    """Return to the operating system what was freed; glibc would keep it for the next time."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's alone
    if trim is not None:
        trim(0)
