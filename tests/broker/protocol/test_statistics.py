"""The payload of a statistics update."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from broker.protocol.errors import RemoteProtocolError
from broker.protocol.statistics import decode_sums, encode_sums

SUMS = hnp.arrays(np.float64, st.integers(1, 30), elements=st.floats(-1e26, 1e26))


@given(SUMS)
def test_sums_come_back_exactly(sums: np.ndarray) -> None:
    assert np.array_equal(decode_sums(encode_sums(sums), sums.size), sums)


@given(st.binary(max_size=64), st.integers(1, 8))
def test_any_bytes_decode_or_are_refused(payload: bytes, length: int) -> None:
    try:
        sums = decode_sums(payload, length)
    except RemoteProtocolError:
        return
    assert sums.shape == (length,)
    assert np.isfinite(sums).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e27, -1e300])
def test_what_would_spoil_the_normalisation_is_refused(value: float) -> None:
    with pytest.raises(RemoteProtocolError, match="not finite, or too large"):
        decode_sums(np.array([1.0, value]).tobytes(), 2)


def test_another_length_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="16 bytes, expected 24"):
        decode_sums(bytes(16), 3)
