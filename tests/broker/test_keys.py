"""Secret keys on disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from broker.keys import KeyFileError, load_or_make_seed, read_keys


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "key"
    seed = load_or_make_seed(path)
    assert len(seed) == 32
    assert load_or_make_seed(path) == seed
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["key"]
    assert load_or_make_seed(tmp_path / "other") != seed


def test_two_processes_that_begin_at_once_have_one_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    children = []
    for _ in range(8):
        out, into = os.pipe()
        child = os.fork()
        if not child:
            os.write(into, load_or_make_seed(path))
            os._exit(0)
        os.close(into)
        children.append((child, out))
    seeds = set()
    for child, out in children:
        seeds.add(os.read(out, 64))
        os.close(out)
        assert os.waitpid(child, 0)[1] == 0
    assert seeds == {load_or_make_seed(path)}
    assert [entry.name for entry in tmp_path.iterdir()] == ["key"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "0 bytes"),
        ("zz" * 32, "hexadecimal"),
        ("ab" * 31, "31 bytes"),
        ("\xe4", "is not a key"),
    ],
)
def test_what_is_no_key_is_named_and_left(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "key"
    path.write_text(text, encoding="latin-1")
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match=reason) as caught:
        load_or_make_seed(path)
    assert caught.value.path == path
    assert path.read_text(encoding="latin-1") == text


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    load_or_make_seed(path)
    path.chmod(0o640)
    with pytest.raises(KeyFileError, match="chmod 600"):
        load_or_make_seed(path)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="No such file"):
        load_or_make_seed(tmp_path / "no" / "key")


def test_a_list_of_keys_is_read(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"# ward 3\nbed-1 {'ab' * 32}\n\n  bed-2\t{'CD' * 32}  # by the window\n")
    assert read_keys(path) == {"bed-1": b"\xab" * 32, "bed-2": b"\xcd" * 32}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("bed-1\n", "line 1: expected a new name and a key"),
        (f"a {'ab' * 32}\na {'cd' * 32}\n", "line 2: expected a new name"),
        ("\nbed-1 abcd\n", "line 2: is not a key: 2 bytes"),
    ],
)
def test_a_wrong_line_of_a_list_is_named(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "keys"
    path.write_text(text)
    with pytest.raises(KeyFileError, match=reason):
        read_keys(path)


def test_a_list_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="No such file"):
        read_keys(tmp_path / "keys")
