"""What ``perfuse chaos`` leaves behind when it is ended in the middle: nothing that runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from perfuse.exit_codes import ExitCode

LIMIT_S = 60.0


def running(directory: Path) -> dict[int, str]:
    """Processes whose command line names the directory, but not the harness itself."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if f"{directory}/" in words:
            found[int(process.name)] = words
    return found


def victims(directory: Path) -> dict[int, str]:
    return {pid: words for pid, words in running(directory).items() if "chaos.victim" in words}


def until_gone(directory: Path) -> dict[int, str]:
    limit = time.monotonic() + LIMIT_S
    while (left := victims(directory)) and time.monotonic() < limit:
        time.sleep(0.05)
    return left


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A matrix that has begun: all three victims run."""
    command = [sys.executable, "-m", "perfuse", "chaos", "--out", str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        limit = time.monotonic() + LIMIT_S
        while len(victims(tmp_path / "out")) < 3:
            assert process.poll() is None
            assert time.monotonic() < limit
            time.sleep(0.05)
        yield process
        process.kill()
    for pid in running(tmp_path / "out"):
        os.kill(pid, signal.SIGKILL)
    for name in ("aggregator", "g1", "g2"):
        subprocess.run(["umount", "-q", "-l", tmp_path / "out" / name], check=False)


def test_a_harness_that_is_asked_to_end_takes_everybody_with_it(
    harness: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    harness.send_signal(signal.SIGTERM)
    assert harness.wait(LIMIT_S) == ExitCode.INTERRUPTED
    assert running(tmp_path / "out") == {}
    mounted = Path("/proc/mounts").read_text()
    assert str(tmp_path) not in mounted


def test_victims_do_not_outlive_a_harness_that_is_killed(
    harness: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    harness.kill()
    harness.wait(LIMIT_S)
    assert until_gone(tmp_path / "out") == {}
