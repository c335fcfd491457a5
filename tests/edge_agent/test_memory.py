"""Memory goes back to the operating system, where the C library lets it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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


def test_what_was_freed_is_given_back() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _PROBE],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(ended.stdout) > 30_000
