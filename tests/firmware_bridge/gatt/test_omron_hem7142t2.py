from datetime import datetime

from firmware_bridge.gatt.omron_hem7142t2 import decode, to_samples
from firmware_bridge.sampling import Arrival


def test_a_real_record() -> None:
    record = decode(bytes.fromhex("6457431a7316161c000046001900"))
    assert record.timestamp == datetime(2026, 5, 19, 19, 48, 22)
    assert (record.systolic, record.diastolic, record.pulse_rate) == (125, 87, 67)
    assert record.sequence == 70


def test_samples_have_no_mean() -> None:
    record = decode(bytes.fromhex("6457431a7316161c000046001900"))
    (sample,) = to_samples(record, Arrival("cuff", received_ns=0))
    assert [channel.name for channel in sample.channels] == ["systolic", "diastolic", "pulse_rate"]
    assert sample.values.tolist() == [[125.0, 87.0, 67.0]]


def test_seconds_above_59_are_the_last_second() -> None:
    record = decode(bytes.fromhex("6457431a73163f1c000046001900"))
    assert record.timestamp.second == 59
