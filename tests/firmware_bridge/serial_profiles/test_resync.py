"""The same promises for every serial profile: frames found again, whatever surrounds them."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.profile import SerialLink
from firmware_bridge.profiles import profile, profile_names
from firmware_bridge.serial_profiles.resync import FrameScanner, match_fixed

SERIAL = [name for name in profile_names() if profile(name).serial is not None]
VECTORS = json.loads((Path(__file__).parents[2] / "vectors/sensors.json").read_text("utf-8"))


def _link(name: str) -> SerialLink:
    link = profile(name).serial
    assert link is not None
    return link


def _frames(name: str) -> list[bytes]:
    return [
        bytes.fromhex(vector["hex"])
        for vector in VECTORS
        if vector["profile"] == name and not vector.get("reject")
    ]


def test_the_serial_profiles_are_these() -> None:
    assert SERIAL == [
        "bci_5byte",
        "contec_5byte",
        "contec_9byte",
        "contec_cms50d_bt",
        "healthypi",
        "healthypi5",
        "nonin_df2",
        "openbci_cyton",
    ]


@pytest.mark.parametrize("name", SERIAL)
def test_a_clean_stream_has_no_garbage(name: str) -> None:
    frames = _frames(name) * 3
    scanner = FrameScanner(_link(name))
    assert scanner.feed(b"".join(frames)) == frames
    assert (scanner.frames, scanner.garbage, scanner.pending) == (len(frames), 0, 0)


@pytest.mark.parametrize("name", SERIAL)
@given(seed=st.integers(0, 2**32 - 1))
def test_one_byte_at_a_time_is_the_same(name: str, seed: int) -> None:
    chance = random.Random(seed)
    frames = _frames(name)
    parts = []
    for _ in range(6):
        parts.append(chance.choice(frames))
        if chance.random() < 0.5:
            parts.append(chance.randbytes(chance.randrange(12)))
        if chance.random() < 0.3:
            parts[-1] = parts[-1][: chance.randrange(len(parts[-1]) + 1)]
    stream = b"".join(parts)
    whole, single = FrameScanner(_link(name)), FrameScanner(_link(name))
    found = whole.feed(stream)
    assert [frame for byte in stream for frame in single.feed(bytes((byte,)))] == found
    assert (single.frames, single.garbage) == (whole.frames, whole.garbage)
    assert single.pending == whole.pending < _link(name).longest
    assert sum(map(len, found)) + whole.garbage + whole.pending == len(stream)


@pytest.mark.parametrize("name", SERIAL)
def test_a_frame_after_garbage_is_found(name: str) -> None:
    # No byte here begins a frame of any profile, nor has a bit 7 that one would wait for.
    garbage = bytes((0x02, 0x33, 0x55, 0x66)) * 5
    frame = _frames(name)[0]
    scanner = FrameScanner(_link(name))
    assert scanner.feed(garbage + frame) == [frame]
    assert scanner.garbage == len(garbage)


@pytest.mark.parametrize("name", SERIAL)
def test_a_frame_after_a_cut_one_is_found(name: str) -> None:
    frame = _frames(name)[0]
    for cut in range(1, len(frame)):
        scanner = FrameScanner(_link(name))
        found = scanner.feed(frame[:cut] + frame * 3)
        assert found[-1] == frame
        # At most one frame is lost to what looks like one: a body can hold a head.
        assert len(found) >= 2


def test_reset_counts_what_it_forgets() -> None:
    scanner = FrameScanner(_link("openbci_cyton"))
    assert scanner.feed(b"\xa0\x01\x02") == []
    assert scanner.pending == 3
    scanner.reset()
    assert (scanner.pending, scanner.garbage) == (0, 3)


@pytest.mark.parametrize(
    ("buffer", "expected"), [(b"", 0), (b"ab", 0), (b"ac", -1), (b"ab-yz", 5), (b"ab-yy", -1)]
)
def test_match_fixed(buffer: bytes, expected: int) -> None:
    assert match_fixed(buffer, 0, b"ab", 5, b"yz") == expected
