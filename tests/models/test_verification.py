"""An artifact passes or fails by what a gateway relies on."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from models.artifact import load_artifact, zoo_names
from models.verification import verify
from perfuse.cli import main


@pytest.mark.parametrize("name", zoo_names())
def test_what_ships_passes(name: str) -> None:
    checks = verify(name)
    assert [check.name for check in checks] == [
        "spec and digests",
        "builtin operators",
        "signatures",
        "restore",
        "training",
        "int8",
    ]
    assert all(check.passed for check in checks), checks


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    place = tmp_path / "copy"
    shutil.copytree(load_artifact("heart-mlp").directory, place)
    return place


def replaced(place: Path, name: str, data: bytes) -> None:
    """Put other bytes there, and their digest into the spec."""
    (place / name).write_bytes(data)
    spec = json.loads((place / "spec.json").read_text())
    spec["files"][name] = hashlib.sha256(data).hexdigest()
    (place / "spec.json").write_text(json.dumps(spec))


def failed(place: Path) -> list[str]:
    return [check.name for check in verify(place) if not check.passed]


def test_a_changed_byte_fails_at_once(copied: Path) -> None:
    data = bytearray((copied / "train.tflite").read_bytes())
    data[100] ^= 1
    (copied / "train.tflite").write_bytes(data)
    assert failed(copied) == ["spec and digests"]


def test_another_models_graphs_fail(copied: Path) -> None:
    other = load_artifact("heart-logistic").directory
    replaced(copied, "infer_int8.tflite", (other / "infer_int8.tflite").read_bytes())
    assert "int8" in failed(copied)
    head = (copied / "train_head.tflite").read_bytes()
    replaced(copied, "train.tflite", head)
    assert {"signatures", "int8"} <= set(failed(copied))


def test_the_command_prints_a_table_and_its_exit_code_says_it(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "verify", str(copied)]) == 0
    said = capsys.readouterr().out
    assert said.count(" ok ") == 6
    replaced(copied, "train.tflite", b"not a graph at all" * 20)
    assert main(["models", "verify", str(copied)]) == 65
    assert "FAILED" in capsys.readouterr().out
