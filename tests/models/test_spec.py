"""Specs: one text for one spec, and a named field for everything else."""

from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.artifact import Artifact, load_artifact
from models.errors import ParameterError, SpecError
from models.normalisation import Normalisation
from models.spec import Role, dump_spec
from models.spec_file import load_spec, parse_spec

MODE: dict[str, Any] = {
    "name": "head",
    "file": "train_head.tflite",
    "begins_at": "input",
    "features": [13],
    "layers": ["scores"],
    "blocks": ["scores.weight", "scores.bias"],
}
GOOD: dict[str, Any] = json.loads(dump_spec(load_artifact("heart-logistic").spec))


def changed(path: tuple[str | int, ...], value: object) -> bytes:
    tree = copy.deepcopy(GOOD)
    place = tree
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return json.dumps(tree).encode()


def test_round_trip(artifact: Artifact) -> None:
    spec = artifact.spec
    assert parse_spec(dump_spec(spec).encode()) == spec
    assert dump_spec(parse_spec(dump_spec(spec).encode())) == dump_spec(spec)


def test_round_trip_with_normalisation(artifact: Artifact) -> None:
    count = len(artifact.spec.channels)
    normalisation = Normalisation((0.1,) * count, (1 / 3,) * count)
    spec = dataclasses.replace(artifact.spec, normalisation=normalisation)
    assert parse_spec(dump_spec(spec).encode()) == spec
    assert spec.digest != artifact.spec.digest


def test_layout_covers_the_vector_without_gaps(artifact: Artifact) -> None:
    spec = artifact.spec
    covered = [i for b in spec.layout for i in range(b.slice.start, b.slice.stop)]
    assert covered == list(range(spec.parameters))
    assert {b.role for b in spec.layout} == set(Role)
    assert spec.block(spec.layout[1].name) is spec.layout[1]
    with pytest.raises(ParameterError, match="nothing"):
        spec.block("nothing")


@pytest.mark.parametrize("key", sorted(GOOD))
def test_every_key_is_required(key: str, tmp_path: Path) -> None:
    tree = {k: v for k, v in GOOD.items() if k != key}
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(tree))
    with pytest.raises(SpecError) as caught:
        load_spec(path)
    assert (caught.value.path, caught.value.field) == (path, key)
    assert "missing" in caught.value.reason


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        (("format",), 1, "format"),
        (("format",), True, "format"),
        (("colour",), 1, "colour"),
        (("name",), "", "name"),
        (("architecture",), "rnn", "architecture"),
        (("task",), "reconstruction", "task"),
        (("input_shape",), [], "input_shape"),
        (("input_shape",), [13, 0], "input_shape"),
        (("input_shape",), [2, 2, 2, 13], "input_shape"),
        (("input_shape",), [12], "channels"),
        (("rate_hz",), 0, "rate_hz"),
        (("rate_hz",), "50", "rate_hz"),
        (("rate_hz",), 10**400, "rate_hz"),
        (("channels", 0), {"name": "a"}, "channels[0].unit"),
        (("channels", 0), {"name": "a", "unit": "1", "x": 1}, "channels[0].x"),
        (("channels", 0), {"name": "sex", "unit": "1"}, "channels"),
        (("classes",), ["one"], "classes"),
        (("targets",), [{"name": "a", "channel": "age", "ahead": 1}], "targets"),
        (("targets",), [{"name": "a", "channel": "age"}], "targets[0].ahead"),
        (("modes",), [MODE], "modes[0].file"),
        (("modes",), [{**MODE, "file": "train.tflite", "blocks": ["x"]}], "modes[0].blocks"),
        (("modes",), [{**MODE, "file": "train.tflite", "layers": ["x"]}], "modes[0].layers"),
        (("modes",), [{**MODE, "file": "train.tflite", "begins_at": "x"}], "modes[0].begins_at"),
        (("modes",), [{**MODE, "file": "train.tflite", "features": [2]}], "modes[0].features"),
        (("modes",), [{**MODE, "name": "full"}], "modes[0].name"),
        (("classes",), ["one", "one"], "classes"),
        (("batch_size",), True, "batch_size"),
        (("batch_size",), 0, "batch_size"),
        (("batch_size",), 32.0, "batch_size"),
        (("parameters",), 31, "parameters"),
        (("layout", 1, "offset"), 25, "layout[1].offset"),
        (("layout", 1, "role"), "gift", "layout[1].role"),
        (("layout", 0, "shape"), [2, "13"], "layout[0].shape"),
        (("normalisation",), {"mean": [0.0], "std": [1.0]}, "normalisation"),
        (("normalisation",), {"mean": [0.0] * 13, "std": [0.0] * 13}, "normalisation"),
        (("normalisation",), {"mean": [0.0] * 13}, "normalisation.std"),
        (("files",), {}, "files"),
        (("files", "../../etc/passwd"), "0" * 64, "files.../../etc/passwd"),
        (("files", "train.tflite"), "0" * 63, "files.train.tflite"),
        (("files", "train.tflite"), "G" * 64, "files.train.tflite"),
    ],
)
def test_names_the_field(path: tuple[str | int, ...], value: object, field: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec(changed(path, value))
    assert caught.value.field == field


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"\xff", b"[" * 100_000, b'{"a": 1, "a": 2}', b" " * ((1 << 20) + 1)],
    ids=["empty", "list", "not text", "deep", "twice", "large"],
)
def test_refuses_what_is_no_table(text: bytes) -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec(text)
    assert caught.value.field == "file"


def test_names_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load_spec(tmp_path / "spec.json")
    assert caught.value.path == tmp_path / "spec.json"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


@given(st.binary(max_size=200))
def test_any_bytes_parse_or_raise_our_error(data: bytes) -> None:
    with pytest.raises(SpecError):
        parse_spec(data)


@given(st.sampled_from(sorted(GOOD)), JSON)
def test_any_value_of_any_key_parses_or_raises_our_error(key: str, value: object) -> None:
    try:
        spec = parse_spec(changed((key,), value))
    except SpecError:
        return
    assert parse_spec(dump_spec(spec).encode()) == spec
