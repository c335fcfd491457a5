"""Sums of parts are the sums of the whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.errors import ParameterError
from models.normalisation import ChannelSums, Normalisation

READINGS = arrays(
    np.float64,
    st.tuples(st.integers(1, 20), st.just(3)),
    elements=st.floats(-1e4, 1e4, width=32) | st.just(np.nan),
)


@given(st.lists(READINGS, min_size=1, max_size=5))
def test_merged_sums_are_those_of_the_pool(parts: list[np.ndarray]) -> None:
    merged = ChannelSums.zero(3)
    for part in parts:
        merged += ChannelSums.from_vector(ChannelSums.of(part).to_vector())
    pooled = ChannelSums.of(np.concatenate(parts))
    np.testing.assert_allclose(merged.to_vector(), pooled.to_vector(), rtol=1e-9, atol=1e-6)


@given(READINGS)
def test_normalisation_is_numpys_mean_and_std(x: np.ndarray) -> None:
    normalisation = ChannelSums.of(x).normalisation()
    for channel in range(3):
        known = x[~np.isnan(x[:, channel]), channel]
        mean = known.mean() if known.size else 0.0
        assert normalisation.mean[channel] == pytest.approx(mean, abs=1e-6, rel=1e-6)
        # A spread far below the mean drowns in the sums' rounding; then 1 is the answer.
        if known.size and known.std() > 1e-3 * max(1.0, abs(mean)):
            assert normalisation.std[channel] == pytest.approx(known.std(), rel=1e-3)
    assert np.isfinite(normalisation.apply(x)).all()


@given(arrays(np.float64, st.integers(0, 12), elements=st.floats()))
def test_any_vector_is_sums_or_our_error(vector: np.ndarray) -> None:
    try:
        sums = ChannelSums.from_vector(vector)
    except ParameterError:
        return
    np.testing.assert_array_equal(sums.to_vector(), vector)


def test_windows_and_tables_share_the_last_axis() -> None:
    x = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
    windows, table = ChannelSums.of(x), ChannelSums.of(x.reshape(8, 3))
    np.testing.assert_array_equal(windows.to_vector(), table.to_vector())
    assert windows.count.tolist() == [8, 8, 8]
    applied = windows.normalisation().apply(x)
    assert applied.shape == x.shape
    assert applied.dtype == np.float32
    np.testing.assert_allclose(applied.reshape(8, 3).mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(applied.reshape(8, 3).std(axis=0), 1, atol=1e-6)


def test_a_missing_reading_becomes_the_mean() -> None:
    x = np.array([[1.0, 5.0], [3.0, np.nan]])
    normalisation = ChannelSums.of(x).normalisation()
    assert normalisation == Normalisation((2.0, 5.0), (1.0, 1.0))
    np.testing.assert_array_equal(normalisation.apply(x), [[-1, 0], [1, 0]])


def test_a_constant_channel_is_not_blown_up() -> None:
    x = np.full((1000, 1), 1000.1)
    assert abs(ChannelSums.of(x).normalisation().apply(x)).max() < 1e-3


@pytest.mark.parametrize(
    ("mean", "std"),
    [((), ()), ((0.0,), (1.0, 1.0)), ((0.0,), (0.0,)), ((float("nan"),), (1.0,))],
)
def test_refuses_what_cannot_divide(mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    with pytest.raises(ParameterError):
        Normalisation(mean, std)


def test_refuses_another_number_of_channels() -> None:
    with pytest.raises(ParameterError, match="2 channels"):
        Normalisation((0.0, 0.0), (1.0, 1.0)).apply(np.zeros((4, 3)))
    with pytest.raises(ParameterError, match="do not add"):
        ChannelSums.zero(2) + ChannelSums.zero(3)
