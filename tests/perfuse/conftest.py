"""A small recorded dataset for simulations."""

from __future__ import annotations

import numpy as np
import pytest

SITES = 6


@pytest.fixture
def data(tmp_path):
    """Write a table of 6 sites that one line through 13 features separates, with gaps."""
    generator = np.random.default_rng(7)
    x = generator.normal(size=(600, 13)).astype(np.float32) * 5 + 3
    y = (x[:, 0] + x[:, 1] > 6).astype(np.int8)
    x[::50, 5] = np.nan
    path = tmp_path / "table.npz"
    np.savez(path, x=x, y=y, site=np.arange(600) % SITES)
    return path
