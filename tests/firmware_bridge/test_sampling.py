from datetime import datetime

import numpy as np
import pytest

from firmware_bridge.quantity import Quantity
from firmware_bridge.sample import Absence
from firmware_bridge.sampling import Arrival, reading

ARRIVAL = Arrival(sensor="s", received_ns=5, utc_offset_s=3600)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (None, 5),
        (Absence.CLOCK_NOT_SET, 5),
        (datetime(1970, 1, 1, 1), 0),
        (datetime(1969, 12, 31), -90_000 * 10**9),
        (datetime(1970, 1, 1, 1, 0, 0, 7), 7_000),
    ],
)
def test_civil_time(moment: datetime | Absence | None, expected: int) -> None:
    assert ARRIVAL.civil_ns(moment) == expected


def test_the_negotiated_rate_goes_before_the_usual_one() -> None:
    assert ARRIVAL.interval_ns(100.0) == 10_000_000
    assert Arrival("s", 0, rate_hz=50.0).interval_ns(100.0) == 20_000_000


def test_a_reading_is_nan_exactly_where_it_is_absent() -> None:
    sample = reading(
        ARRIVAL,
        "stream",
        9,
        pressure=Quantity(1.0, "kPa"),
        missing=None,
        temperature=Quantity(Absence.RESERVED, "[degF]"),
        huge=Quantity(-1e39, "m"),
    )
    assert [(channel.name, channel.unit) for channel in sample.channels] == [
        ("pressure", "mm[Hg]"),
        ("temperature", "Cel"),
        ("huge", "m"),
    ]
    assert dict(sample.absent) == {1: Absence.RESERVED, 2: Absence.NEGATIVE_OVERFLOW}
    assert np.isnan(sample.values).tolist() == [[False, True, True]]
    assert (sample.timestamp_ns, sample.interval_ns) == (9, 0)
