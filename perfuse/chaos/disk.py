"""A small disk of one's own, which can be filled to the last byte."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

_SIZE = "24m"
_FILLER = "filler"


class Disk:
    """A tmpfs mounted at ``path`` where that is allowed, else a plain folder.

    Attributes:
        path: where it is.
        real: whether it is a file system of its own, which can be full.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self.real = os.geteuid() == 0 and _run(
            "mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(path)
        )

    def fill(self) -> None:
        """Leave not a byte."""
        block = bytes(1 << 16)
        with (self.path / _FILLER).open("ab", buffering=0) as file:
            while block:
                try:
                    file.write(block)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    block = block[: len(block) // 2]

    def free(self) -> None:
        """Give the room back."""
        (self.path / _FILLER).unlink(missing_ok=True)

    def close(self) -> None:
        """Unmount it; what was on it is gone."""
        if self.real:
            _run("umount", "-l", str(self.path))
            self.real = False


def _run(*command: str) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0  # noqa: S603
