"""Artifacts: whole or refused, with the file's name."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from models.artifact import load_artifact, zoo_names
from models.errors import ArtifactError, SpecError
from models.interpreter import open_interpreter
from models.spec import ARCHITECTURES


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    place = tmp_path / "copy"
    shutil.copytree(load_artifact("heart-logistic").directory, place)
    return place


def test_the_zoo_has_what_the_demo_needs() -> None:
    assert {
        "shoulder-cnn1d",
        "shoulder-autoencoder",
        "hmp-cnn1d",
        "heart-logistic",
        "heart-svm",
        "heart-mlp",
    } <= set(zoo_names())
    assert {load_artifact(name).spec.architecture for name in zoo_names()} == set(ARCHITECTURES)


def test_a_folder_loads_like_a_name(copied: Path) -> None:
    shipped, artifact = load_artifact("heart-logistic"), load_artifact(copied)
    assert artifact.spec == shipped.spec
    assert load_artifact(str(copied)).train_path == copied / "train.tflite"
    vector = artifact.initial_parameters()
    assert (vector.dtype, vector.shape) == (np.float32, (artifact.spec.parameters,))


@pytest.mark.parametrize("name", ["train.tflite", "infer_int8.tflite", "initial.f32"])
def test_a_changed_byte_is_named(copied: Path, name: str) -> None:
    content = bytearray((copied / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copied / name).write_bytes(content)
    with pytest.raises(ArtifactError, match="SHA-256") as caught:
        load_artifact(copied)
    assert caught.value.path == copied / name


@pytest.mark.parametrize("name", ["train.tflite", "infer_int8.tflite", "initial.f32"])
def test_a_missing_file_is_named(copied: Path, name: str) -> None:
    (copied / name).unlink()
    with pytest.raises(ArtifactError) as caught:
        load_artifact(copied)
    assert caught.value.path == copied / name


def test_a_missing_spec_is_named(copied: Path) -> None:
    (copied / "spec.json").unlink()
    with pytest.raises(SpecError) as caught:
        load_artifact(copied)
    assert caught.value.path == copied / "spec.json"


@pytest.mark.parametrize("place", ["nowhere", "../zoo/heart-svm", "/nowhere/at/all"])
def test_an_unknown_name_lists_the_known(place: str, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArtifactError, match="heart-svm"):
        load_artifact(place)


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    path = tmp_path / "train.tflite"
    path.write_bytes(b"not a model at all" * 10)
    with pytest.raises(ArtifactError) as caught:
        open_interpreter(path)
    assert caught.value.path == path
    with pytest.raises(ArtifactError):
        open_interpreter(b"not a model at all" * 10)
