"""A measured value in a UCUM unit, and the one unit of each kind that samples are in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from firmware_bridge.ieee11073 import Value
from firmware_bridge.sample import Absence


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value as the sensor sent it.

    Attributes:
        value: the number, or why there is none.
        unit: UCUM code of the unit that the sensor used.
    """

    value: Value
    unit: str

    def normalised(self) -> Quantity:
        """The same quantity in the unit of samples; an absence keeps its reason."""
        rule = _RULES.get(self.unit)
        if rule is None:
            return self
        unit, convert = rule
        value = self.value
        return Quantity(value if isinstance(value, Absence) else convert(value), unit)


_MMHG_PER_KPA = 1 / 0.133322387415  # NIST SP 811, appendix B.8
_KG_PER_POUND = 0.45359237  # exact, international yard and pound agreement of 1959
_M_PER_INCH = 0.0254  # exact, same agreement
_GLUCOSE_G_PER_MOL = 180.156  # C6H12O6, IUPAC standard atomic weights

_RULES: dict[str, tuple[str, Callable[[float], float]]] = {
    "kPa": ("mm[Hg]", lambda value: value * _MMHG_PER_KPA),
    "[degF]": ("Cel", lambda value: (value - 32.0) * 5.0 / 9.0),
    "[lb_av]": ("kg", lambda value: value * _KG_PER_POUND),
    "[in_i]": ("m", lambda value: value * _M_PER_INCH),
    "kg/L": ("mg/dL", lambda value: value * 1e5),
    "mol/L": ("mg/dL", lambda value: value * _GLUCOSE_G_PER_MOL * 100.0),
}
