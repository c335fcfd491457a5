"""The table of limits agrees with itself and with the channels that profiles yield."""

from __future__ import annotations

import math

import pytest

from firmware_bridge.quality.limits import LIMITS, limits_of


@pytest.mark.parametrize("row", LIMITS, ids=lambda row: f"{row.quantity} {row.unit}")
def test_every_row_is_in_order_and_has_a_source(row):
    assert row.low < row.high
    assert len(row.source) > 20
    assert row.names
    assert all(rail <= row.high for rail in row.rails)
    assert min(row.still_s, row.slew_per_s, row.step, row.jitter, row.wander, row.sustained) > 0


def test_no_quantity_is_there_twice_in_one_unit():
    keys = [(row.quantity, row.unit) for row in LIMITS]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("name", "unit", "quantity"),
    [
        ("ax", "[g]", "acceleration"),
        ("acc_x", "m/s2", "acceleration"),
        ("wz", "rad/s", "rotation"),
        ("gz", "deg/s", "rotation"),
        ("ecg", "uV", "ecg"),
        ("hr", "/min", "heart rate"),
        ("heart_rate", "/min", "heart rate"),
        ("pulse_rate_fast", "/min", "heart rate"),
        ("respiration_rate", "/min", "respiration rate"),
        ("rr", "ms", "RR interval"),
        ("spo2", "%", "oxygen saturation"),
        ("systolic", "mm[Hg]", "blood pressure"),
        ("temperature", "Cel", "body temperature"),
        ("temp", "Cel", "skin temperature"),
        ("glucose", "mg/dL", "glucose"),
        ("EDA", "uS", "skin conductance"),
        ("pleth", "{count}", "raw counts"),
    ],
)
def test_a_channel_is_known_by_name_and_unit(name, unit, quantity):
    assert limits_of(name, unit).quantity == quantity


@pytest.mark.parametrize(("name", "unit"), [("chol", "mg/dL"), ("hr", "Hz"), ("battery", "%")])
def test_of_what_is_unknown_nothing_is_judged(name, unit):
    row = limits_of(name, unit)
    assert row.quantity == "unknown"
    assert (row.low, row.high, row.still_s) == (-math.inf, math.inf, math.inf)


def test_other_units_are_the_same_limits():
    assert limits_of("gx", "rad/s").rails[0] == pytest.approx(math.radians(250))
    assert limits_of("ecg", "uV").wander == pytest.approx(1000 * limits_of("ecg", "mV").wander)
    assert limits_of("glucose", "mmol/L").high == pytest.approx(600 / 18.0156)
    assert limits_of("glucose", "mmol/L").still_s == limits_of("glucose", "mg/dL").still_s
