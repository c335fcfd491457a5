import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.gatt.blood_pressure import (
    BloodPressure,
    CuffStatus,
    decode,
    encode,
    to_samples,
)
from firmware_bridge.ieee11073 import decode_sfloat
from firmware_bridge.sample import Absence
from firmware_bridge.sampling import Arrival

VALUES = st.integers(0, 0xFFFF).map(decode_sfloat)


@given(
    st.builds(
        BloodPressure,
        systolic=VALUES,
        diastolic=VALUES,
        mean=VALUES,
        unit=st.sampled_from(["mm[Hg]", "kPa"]),
        timestamp=st.none() | st.just(Absence.CLOCK_NOT_SET),
        pulse_rate=st.none() | VALUES,
        user_id=st.none() | st.integers(0, 255),
        status=st.none() | st.integers(0, 0xFFFF),
    )
)
def test_round_trip(measurement: BloodPressure) -> None:
    assert decode(encode(measurement)) == measurement


def test_kilopascals_become_millimetres_of_mercury() -> None:
    (sample,) = to_samples(BloodPressure(16.0, 10.0, 12.0, "kPa"), Arrival("cuff", 0))
    assert [channel.name for channel in sample.channels] == ["systolic", "diastolic", "mean"]
    assert {channel.unit for channel in sample.channels} == {"mm[Hg]"}
    assert sample.values[0] == pytest.approx([120.01, 75.006, 90.007], abs=1e-2)


def test_a_failed_cuff_is_three_absences() -> None:
    failed = decode(bytes.fromhex("04ff07ff07ff074800"))
    (sample,) = to_samples(failed, Arrival("cuff", 0))
    assert dict(sample.absent) == dict.fromkeys(range(3), Absence.NOT_A_NUMBER)
    assert np.isnan(sample.values[0, :3]).all()
    assert sample.values[0, 3] == 72.0


def test_status_bits_have_names() -> None:
    measured = decode(bytes.fromhex("10780050005d000600"))
    assert CuffStatus(measured.status or 0) == CuffStatus.CUFF_LOOSE | CuffStatus.IRREGULAR_PULSE


def test_a_unit_that_the_characteristic_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match="blood pressure in bar"):
        encode(BloodPressure(1.6, 1.0, 1.2, "bar"))
