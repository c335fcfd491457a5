"""Gateways spread; each knows its place."""

from __future__ import annotations

import numpy as np

from broker.protocol.pace import place, window_s


def test_places_are_evenly_spread_and_the_same_each_time() -> None:
    names = [f"gateway-{i}" for i in range(5000)]
    places = np.array([place(name, 7) for name in names])
    assert places.min() >= 0
    assert places.max() < 1
    counts, _ = np.histogram(places, 10, (0, 1))
    # 500 each, with a standard deviation of 21.
    assert abs(counts - 500).max() < 110
    assert places.tolist() == [place(name, 7) for name in names]
    # Another occasion, other places: nobody is always last.
    assert abs(np.corrcoef(places, [place(name, 8) for name in names])[0, 1]) < 0.06


def test_the_window_grows_with_the_population_to_an_hour() -> None:
    assert window_s(0, 50) == 0
    assert window_s(1000, 50) == 20
    assert window_s(10**9, 50) == 3600
