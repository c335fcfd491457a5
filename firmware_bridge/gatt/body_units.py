"""The two unit systems of scales, and what a count is worth in each.

Weight Scale Service 1.0, 3.2 and Body Composition Service 1.0, 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BodyUnits:
    """Attributes: UCUM codes of mass and length, counts per unit of each, the mass' short name."""

    mass: str
    length: str
    per_mass: int
    per_length: int
    short: str


METRIC = BodyUnits(mass="kg", length="m", per_mass=200, per_length=1000, short="kg")
IMPERIAL = BodyUnits(mass="[lb_av]", length="[in_i]", per_mass=100, per_length=10, short="lb")


def body_units(*, imperial: bool) -> BodyUnits:
    """The system that the units flag names."""
    return IMPERIAL if imperial else METRIC
