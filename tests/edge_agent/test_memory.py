"""Memory goes back to the operating system, where the C library lets it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from edge_agent.memory import clean_file_ranges

_PROBE = """
from edge_agent.memory import give_memory_back, use_one_arena
use_one_arena()
def resident_kb():
    return int(open("/proc/self/statm").read().split()[1]) * 4
kept = [bytes(1000) for _ in range(60_000)]
full = resident_kb()
# Every other one stays: the heap's top is in use, so that only a trim gives pages back.
last = kept[-1]
del kept
give_memory_back()
print(full - resident_kb())
"""

_CODE_PROBE = """
import numpy as np
from edge_agent.memory import give_memory_back
def of_files_kb():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if "RssFile" in line)
matrix = np.arange(400.0).reshape(20, 20) + np.eye(20)
before, inverse = of_files_kb(), np.linalg.inv(matrix)
give_memory_back()
print(before - of_files_kb())
assert (np.linalg.inv(matrix) == inverse).all()
"""


def test_what_was_freed_is_given_back() -> None:
    assert _probe(_PROBE) > 30_000


def test_code_that_ran_once_leaves_the_resident_set_and_runs_again() -> None:
    assert _probe(_CODE_PROBE) > 4_000


def test_only_ranges_that_nobody_wrote_to_are_given_back() -> None:
    smaps = "".join(
        f"{start:x}000-{start + 1:x}000 {flags} 00000000 fe:00 7 {path}\n"
        f"Rss: 8 kB\nAnonymous: {anonymous} kB\nVmFlags: rd mr\n"
        for start, flags, path, anonymous in [
            (1, "r-xp", "/usr/lib/clean.so", 0),
            (2, "r-xp", "/usr/lib/relocated.so", 4),
            (3, "r--p", "/usr/lib/with a space.so (deleted)", 0),
            (4, "rw-p", "/usr/lib/data.so", 0),
            (5, "r--s", "/var/lib/state.sqlite-shm", 0),
            (6, "r-xp", "[vdso]", 0),
            (7, "rw-p", "", 0),
        ]
    )
    assert list(clean_file_ranges(smaps)) == [(0x1000, 0x2000), (0x3000, 0x4000)]


def _probe(program: str) -> int:
    """Run a program in a process of its own and return the KB that it prints."""
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(ended.stdout)
