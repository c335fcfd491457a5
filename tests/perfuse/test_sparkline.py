import math

import pytest

from perfuse.sparkline import sparkline


@pytest.mark.parametrize(
    ("values", "width", "line"),
    [
        ([], 10, ""),
        ([5.0], 10, "▄"),
        ([1.0, 1.0], 10, "▄▄"),
        ([0, 1, 2, 3, 4, 5, 6, 7], 8, "▁▂▃▄▅▆▇█"),
        ([0, 1, 2, 3, 4, 5, 6, 7], 4, "▁▃▆█"),
        ([0.0, math.nan, 1.0], 3, "▁·█"),
        ([math.nan] * 4, 3, "···"),
        # One spike in a hundred is still seen.
        ([0.0] * 50 + [9.0] + [0.0] * 49, 10, "▁▁▁▁▁█▁▁▁▁"),
    ],
)
def test_values_become_blocks(values, width, line):
    assert sparkline(values, width) == line
