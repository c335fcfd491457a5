"""Secret keys on disk: made once, readable by their owner alone."""

from __future__ import annotations

import os
from pathlib import Path

SEED_BYTES = 32
# In the state directory of an agent or an aggregator.
KEY_FILE = "key"


class KeyFileError(Exception):
    """A key file that cannot be used.

    Attributes:
        path: the file.
        reason: what is wrong with it.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


def load_or_make_seed(path: Path) -> bytes:
    """Return the 32 secret bytes in a key file, which is made when it is not there.

    Two processes that begin at once end with the same key; a crash leaves no half a file.

    Raises:
        KeyFileError: it cannot be read or written, others may read it, or it holds no key.
    """
    try:
        if not path.exists():
            _make(path)
        if path.stat().st_mode & 0o077:
            raise KeyFileError(path, "others may read this secret key; run: chmod 600")
        return read_key(path.read_text(encoding="ascii"), path)
    except OSError as error:
        raise KeyFileError(path, error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise KeyFileError(path, "is not a key") from error


def read_key(text: str, path: Path) -> bytes:
    """Read 64 hexadecimal digits.

    Raises:
        KeyFileError: it is something else.
    """
    try:
        key = bytes.fromhex(text.strip())
    except ValueError as error:
        raise KeyFileError(path, "is not a key: expected 64 hexadecimal digits") from error
    if len(key) != SEED_BYTES:
        raise KeyFileError(path, f"is not a key: {len(key)} bytes, expected {SEED_BYTES}")
    return key


def read_keys(path: Path) -> dict[str, bytes]:
    """Read a file of public keys: a name and 64 hexadecimal digits a line; ``#`` begins a remark.

    Raises:
        KeyFileError: it cannot be read, or a line is wrong; the reason names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        raise KeyFileError(path, reason or str(error)) from error
    keys: dict[str, bytes] = {}
    for number, line in enumerate(lines, 1):
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        if len(words) != 2 or words[0] in keys:
            raise KeyFileError(path, f"line {number}: expected a new name and a key")
        try:
            keys[words[0]] = read_key(words[1], path)
        except KeyFileError as error:
            raise KeyFileError(path, f"line {number}: {error.reason}") from error
    return keys


def _make(path: Path) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(os.urandom(SEED_BYTES).hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            return  # another process was first: its key is the one
        _sync_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
