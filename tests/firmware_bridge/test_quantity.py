import pytest

from firmware_bridge.quantity import Quantity
from firmware_bridge.sample import Absence


@pytest.mark.parametrize(
    ("value", "unit", "normal", "normal_unit"),
    [
        (16.0, "kPa", 120.0098, "mm[Hg]"),
        (98.6, "[degF]", 37.0, "Cel"),
        (154.0, "[lb_av]", 69.8532, "kg"),
        (67.0, "[in_i]", 1.7018, "m"),
        (0.0012, "kg/L", 120.0, "mg/dL"),
        (0.0055, "mol/L", 99.0858, "mg/dL"),
        (36.6, "Cel", 36.6, "Cel"),
    ],
)
def test_normalised(value: float, unit: str, normal: float, normal_unit: str) -> None:
    found = Quantity(value, unit).normalised()
    assert found.unit == normal_unit
    assert found.value == pytest.approx(normal, rel=1e-5)


def test_an_absence_keeps_its_reason() -> None:
    absent = Quantity(Absence.NOT_A_NUMBER, "kPa").normalised()
    assert absent == Quantity(Absence.NOT_A_NUMBER, "mm[Hg]")
