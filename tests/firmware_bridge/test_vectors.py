"""Every frame that we know what it means: our own by hand, and real ones beside the repository."""

import json
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.profiles import decode_json_line, profile, profile_names

_REPOSITORY = Path(__file__).parents[2]
_OURS = _REPOSITORY / "tests/vectors/sensors.json"
_SHARED = _REPOSITORY / "../shared/data/protocol_vectors.json"


def _load(path: Path) -> list[Any]:
    vectors: list[Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return [
        pytest.param(vector, id=f"{index}-{vector['profile']}")
        for index, vector in enumerate(vectors)
    ]


def _check(vector: dict[str, Any]) -> None:
    profile(vector["profile"])  # an unknown profile must not pass for a refused frame
    line = json.dumps({"profile": vector["profile"], "hex": vector["hex"]})
    shown = decode_json_line(line)
    if vector.get("reject"):
        assert list(shown) == ["error"]
    else:
        assert shown == vector["expected"]
        json.dumps(shown, allow_nan=False)


@pytest.mark.parametrize("vector", _load(_OURS))
def test_our_vector(vector: dict[str, Any]) -> None:
    _check(vector)


@pytest.mark.skipif(not _SHARED.exists(), reason="../shared/data/protocol_vectors.json is absent")
@pytest.mark.parametrize("vector", _load(_SHARED))
def test_shared_vector(vector: dict[str, Any]) -> None:
    _check(vector)


def test_every_profile_has_a_frame_that_it_takes_and_one_that_it_refuses() -> None:
    vectors = json.loads(_OURS.read_text(encoding="utf-8"))
    taken = {vector["profile"] for vector in vectors if not vector.get("reject")}
    refused = {vector["profile"] for vector in vectors if vector.get("reject")}
    # Any text up to the length of an attribute is a name or a version.
    texts = {
        "manufacturer_name",
        "model_number",
        "serial_number",
        "firmware_revision",
        "hardware_revision",
    }
    assert set(profile_names()) - taken == {"software_revision"}
    assert set(profile_names()) - refused == texts
