import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware_bridge import profiles
from firmware_bridge.errors import FrameError
from firmware_bridge.profile import Profile
from firmware_bridge.profiles import (
    UnknownProfileError,
    decode_json_line,
    profile,
    profile_names,
    profiles_of_characteristic,
)
from firmware_bridge.sampling import Arrival

# Inputs a decoder. A nightly run sets 200,000; the usual one has no time for it.
_INPUTS = int(os.environ.get("PERFUSE_FUZZ_EXAMPLES", "400"))
# Drawing costs more than decoding; a score of inputs an example costs a fifth of one each.
_INPUTS_PER_EXAMPLE = 20
_FUZZ = settings(
    max_examples=-(-_INPUTS // _INPUTS_PER_EXAMPLE),
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
_VECTORS = json.loads(
    (Path(__file__).parents[1] / "vectors/sensors.json").read_text(encoding="utf-8")
)
_FRAMES = {
    name: [bytes.fromhex(vector["hex"]) for vector in _VECTORS if vector["profile"] == name]
    for name in profile_names()
}
_ARRIVAL = Arrival(sensor="sensor", received_ns=1_700_000_000_000_000_000)


def _input_of(frames: list[bytes], drawn: bytes) -> bytes:
    """Bytes as they are, or a frame with octets replaced, cut and added as the bytes say."""
    how, rest = drawn[:1] or b"\0", drawn[1:]
    if how[0] % 4 == 0:
        return rest * (1 + how[0] // 32)
    octets = bytearray(frames[rest[0] % len(frames)] if rest else frames[0])
    for at, octet in zip(rest[1:9:2], rest[2:9:2], strict=False):
        if octets:
            octets[at % len(octets)] = octet
    if how[0] % 4 == 1:
        del octets[len(octets) - len(rest) % 4 :]
    return bytes(octets) + (rest[9:] if how[0] % 4 == 2 else b"")


def _frame_or_refusal(found: Profile[Any], data: bytes) -> None:
    """Decode, and hold everything that a decoder promises about what it accepts."""
    try:
        measurement = found.decode(data)
    except FrameError:
        return
    json.dumps(found.to_json(measurement), allow_nan=False)
    for sample in found.to_samples(measurement, _ARRIVAL):
        rows, columns = sample.values.shape
        assert sample.values.dtype == np.float32
        assert rows >= 1
        assert columns == len(sample.channels) >= 1
        assert set(np.flatnonzero(np.isnan(sample.values).any(axis=0))) == set(sample.absent)
    if found.encode is not None:
        _encode_again(found, measurement)


def _encode_again(found: Profile[Any], measurement: Any) -> None:
    assert found.encode is not None
    try:
        data = found.encode(measurement)
    except ValueError as error:
        # Delta blocks of another cut may be longer than those that came.
        if "more than an attribute holds" in str(error):
            return
        raise
    assert found.decode(data) == measurement


@pytest.mark.parametrize("name", profile_names())
def test_any_bytes_decode_or_raise_our_error(name: str) -> None:
    found = profile(name)
    frames = _FRAMES[name]
    drawn = st.lists(
        st.binary(max_size=40),
        min_size=_INPUTS_PER_EXAMPLE,
        max_size=_INPUTS_PER_EXAMPLE,
    )

    @_FUZZ
    @given(drawn)
    def check(draws: list[bytes]) -> None:
        for draw in draws:
            _frame_or_refusal(found, _input_of(frames, draw))

    check()


@given(st.text(max_size=80))
def test_any_text_is_answered(text: str) -> None:
    assert "error" in decode_json_line(text)


@given(st.binary(max_size=40))
def test_any_hex_is_answered(data: bytes) -> None:
    shown = decode_json_line(json.dumps({"profile": "HR_2A37", "hex": data.hex()}))
    assert ("error" in shown) != ("heart_rate" in shown)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[]",
        "{}",
        '{"profile": 1, "hex": ""}',
        '{"profile": "heart_rate"}',
        '{"profile": "heart_rate", "hex": "0"}',
        '{"profile": "heart_rate", "hex": "zz"}',
        '{"profile": "heart_rat", "hex": "0048"}',
        "[" * 4000,
        '{"profile": "heart_rate", "hex": "' + "0" * 20_000 + '"}',
        '{"profile": "heart_rate", "hex": 1e999}',
    ],
)
def test_a_line_that_is_no_request_is_an_error(line: str) -> None:
    assert list(decode_json_line(line)) == ["error"]


def test_the_error_names_the_nearest_profile() -> None:
    with pytest.raises(UnknownProfileError) as caught:
        profile("hart_rate")
    assert caught.value.name == "hart_rate"
    assert caught.value.nearest == "heart_rate"
    with pytest.raises(UnknownProfileError, match=r"no sensor profile 'zzzzzz'$"):
        profile("zzzzzz")


def test_an_alias_is_the_same_profile_in_any_case() -> None:
    assert profile("HR_2A37") is profile("hr_2a37") is profile("heart_rate")


def test_profiles_are_found_by_their_characteristic() -> None:
    uuid = "00002AA7-0000-1000-8000-00805F9B34FB"
    names = [found.name for found in profiles_of_characteristic(uuid)]
    assert names == ["cgm", "cgm_e2e_crc"]
    assert profiles_of_characteristic("not a uuid") == ()


def test_importing_the_registry_imports_no_profile() -> None:
    program = (
        "import sys, firmware_bridge.profiles; "
        "sys.exit(any(m.startswith('firmware_bridge.gatt.') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


_ADDED = """
from firmware_bridge.profile import Profile, json_fields
from firmware_bridge.sampling import no_samples

PROFILES = (
    Profile(
        name="added",
        title="A sensor of a test",
        aliases=({alias!r},),
        decode=bytes.hex,
        to_json=lambda text: json_fields(text=text),
        to_samples=no_samples,
    ),
)
"""


@pytest.fixture
def added_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of profiles beside ours; the registry forgets it afterwards."""
    package = tmp_path / "added_profiles"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    packages = (*profiles.PROFILE_PACKAGES, "added_profiles")
    monkeypatch.setattr(profiles, "PROFILE_PACKAGES", packages)
    profiles._by_any_name.cache_clear()
    yield package
    profiles._by_any_name.cache_clear()
    for name in [name for name in sys.modules if name.startswith("added_profiles")]:
        del sys.modules[name]


def test_adding_a_profile_is_adding_one_file(added_package: Path) -> None:
    (added_package / "sensor.py").write_text(_ADDED.format(alias="OTHER"), encoding="utf-8")
    assert decode_json_line('{"profile": "added", "hex": "0102"}') == {"text": "0102"}
    assert "added" in profile_names()


def test_two_profiles_of_one_name_are_a_bug(added_package: Path) -> None:
    (added_package / "sensor.py").write_text(_ADDED.format(alias="HR_2A37"), encoding="utf-8")
    with pytest.raises(RuntimeError, match=r"a second profile named 'HR_2A37'"):
        profile_names()


@pytest.mark.parametrize("name", profile_names())
def test_a_profile_says_how_its_sensor_is_reached(name: str) -> None:
    found = profile(name)
    words_and_records = {"sfloat", "float32", "omron_hem7142t2"}
    assert (found.gatt is None and found.serial is None) == (name in words_and_records)
    assert found.title
    if found.gatt is not None:
        assert len(found.gatt.service) == len(found.gatt.characteristic) == 36
        assert found.gatt.characteristic == found.gatt.characteristic.lower()


def test_arrival_turns_civil_time_to_unix_time() -> None:
    measured = profile("glucose").decode(bytes.fromhex("030600e407040d10260a000078b0f1"))
    abroad = Arrival(sensor="meter", received_ns=0, utc_offset_s=7200)
    (sample,) = profile("glucose").to_samples(measured, abroad)
    # 2020-04-13T16:38:10 two hours east of Greenwich.
    assert sample.timestamp_ns == 1_586_788_690_000_000_000
    assert sample.channels[0].unit == "mg/dL"
    assert math.isclose(sample.values[0, 0], 120.0, rel_tol=1e-6)
