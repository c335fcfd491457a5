from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import FrameError
from firmware_bridge.gatt.cgm import Cgm, CgmRecord, decode, e2e_crc, encode, to_samples
from firmware_bridge.ieee11073 import decode_sfloat
from firmware_bridge.sampling import Arrival

VALUES = st.integers(0, 0xFFFF).map(decode_sfloat)
OCTETS = st.none() | st.integers(0, 255)
RECORDS = st.builds(
    CgmRecord,
    glucose_mgdl=VALUES,
    time_offset_min=st.integers(0, 0xFFFF),
    status=OCTETS,
    calibration=OCTETS,
    warning=OCTETS,
    trend=st.none() | VALUES,
    quality_percent=st.none() | VALUES,
)


@pytest.mark.parametrize("crc", [False, True])
@given(packet=st.builds(Cgm, st.lists(RECORDS, min_size=1, max_size=8).map(tuple)))
def test_round_trip(crc: bool, packet: Cgm) -> None:
    assert decode(encode(packet, crc=crc), crc=crc) == packet


def test_crc_of_the_catalogue() -> None:
    # CRC-16/MCRF4XX in Greg Cook's catalogue: the same polynomial, start and reflection.
    assert e2e_crc(b"123456789") == 0x6F91


@given(packet=st.builds(Cgm, st.tuples(RECORDS)), at=st.integers(0, 111), bit=st.integers(0, 7))
def test_a_flipped_bit_is_refused(packet: Cgm, at: int, bit: int) -> None:
    octets = bytearray(encode(packet, crc=True))
    octets[at % len(octets)] ^= 1 << bit
    with pytest.raises(FrameError):
        decode(bytes(octets), crc=True)


def test_encode_refuses_an_empty_packet() -> None:
    with pytest.raises(ValueError, match="at least one"):
        encode(Cgm(()))


def test_records_are_placed_by_the_start_of_the_session() -> None:
    packet = Cgm((CgmRecord(120.0, 5), CgmRecord(121.0, 10, trend=-0.2)))
    placed = partial(Arrival, sensor="cgm", received_ns=10**18)
    known = to_samples(packet, placed(session_start_ns=0))
    assert [sample.timestamp_ns for sample in known] == [300 * 10**9, 600 * 10**9]
    unknown = to_samples(packet, placed())
    assert [sample.timestamp_ns for sample in unknown] == [10**18 - 300 * 10**9, 10**18]
    assert [channel.name for channel in unknown[1].channels] == ["glucose", "trend"]
