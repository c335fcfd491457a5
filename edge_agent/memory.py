"""Keeping the process small: gateways have little memory, and are idle most of the time."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from pathlib import Path

_M_ARENA_MAX = -8  # malloc.h
_MADV_DONTNEED = 4  # linux/mman.h
_SMAPS = Path("/proc/self/smaps")


def use_one_arena() -> None:
    """Let all threads allocate from one heap; glibc would keep one for each. Call it first."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc's alone
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)


def give_memory_back() -> None:
    """Return to the operating system what was freed, and code that ran and may not run for hours.

    glibc would keep the one for the next time, the kernel the other in our resident set: the start
    and each training walk through megabytes of libraries once. What runs again is mapped again from
    the page cache, a minor fault per 64 KiB.
    """
    gc.collect()
    libc = ctypes.CDLL(None)
    trim = getattr(libc, "malloc_trim", None)  # glibc's alone
    if trim is not None:
        trim(0)
    if _SMAPS.exists():  # Linux alone
        for start, end in clean_file_ranges(_SMAPS.read_text()):
            libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _MADV_DONTNEED)


def clean_file_ranges(smaps: str) -> Iterator[tuple[int, int]]:
    """Yield the address ranges that hold nothing but unchanged pages of read-only files.

    A page that was written, as relocation writes them, would come back as it is on the disk: such a
    range has anonymous pages, and is left alone (proc(5), /proc/pid/smaps).
    """
    current = None
    for line in smaps.splitlines():
        words = line.split()
        if not words[0].endswith(":"):
            of_file = len(words) > 5 and words[5].startswith("/")
            current = words[0] if of_file and words[1] in ("r-xp", "r--p") else None
        elif current and words[0] == "Anonymous:" and words[1] == "0":
            start, _, end = current.partition("-")
            yield int(start, 16), int(end, 16)
