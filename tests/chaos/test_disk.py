"""A disk of one's own that can be full."""

from __future__ import annotations

from pathlib import Path

import pytest

from perfuse.chaos.disk import Disk


def test_a_full_disk_takes_not_a_byte_and_then_does_again(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "disk")
    if not disk.real:
        pytest.skip("only root can mount")
    try:
        disk.fill()
        with pytest.raises(OSError, match="No space left"):
            (disk.path / "more").write_bytes(b"x")
        disk.free()
        (disk.path / "more").write_bytes(b"x")
    finally:
        disk.close()
    assert list(disk.path.iterdir()) == []
