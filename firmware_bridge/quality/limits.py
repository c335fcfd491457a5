"""What each quantity can be and do: the one table of limits, with its sources.

Limits are wide on purpose. They separate what a living wearer and a working sensor can give from
what they cannot; they are no alarm limits, and a sick patient's readings are within them.
``source`` says where the figures are from: a full scale or a permitted range from a standard or
data sheet, an extreme from the literature. How long a quantity may stand still, how much it jitters
and how far its baseline wanders depend on sensors more than on bodies: those figures are this
project's choice, checked on recordings (benchmarks/signal_quality.py), except where the source says
otherwise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Limits:
    """What one quantity can be in one unit; infinite where nothing is known.

    Attributes:
        quantity: what it is.
        unit: UCUM code that the figures are in.
        names: names that channels of it have, or begin with when they end in ``*``.
        source: where the figures are from.
        low, high: readings outside cannot be.
        rails: full scales that sensors of it stop at, either side of 0 where ``signed``.
        shaped: whether rails differ so much that a cut end is known by its shape, too.
        still_s: seconds that it can stay exactly the same; ...
        coarse: ... longer where a sensor rounds to multiples of this.
        slew_per_s: how fast it can change from one reading to the next.
        step: smallest change between two readings that ``slew_per_s`` never falls below.
        jitter: change back and forth between readings that a quiet signal does not show; ...
        reversals_per_s: ... how many such reversals a second are still natural, ...
        reversals: ... and how many in any window.
        wander, trend_per_s: how far the baseline can move, in any window and with its duration.
        sustained: largest mean of a window; ``turn`` more is allowed, divided by its seconds.
    """

    quantity: str
    unit: str
    names: tuple[str, ...]
    source: str
    low: float = -math.inf
    high: float = math.inf
    rails: tuple[float, ...] = ()
    shaped: bool = False
    still_s: float = math.inf
    coarse: float = 0.0
    slew_per_s: float = math.inf
    step: float = math.inf
    jitter: float = math.inf
    reversals_per_s: float = 0.0
    reversals: float = 2.0
    wander: float = math.inf
    trend_per_s: float = 0.0
    sustained: float = math.inf
    turn: float = 0.0

    def in_unit(self, unit: str, factor: float) -> Limits:
        """The same limits in another unit, of which ``factor`` make one."""
        scaled = {name: getattr(self, name) * factor for name in _DIMENSIONED}
        rails = tuple(rail * factor for rail in self.rails)
        return replace(self, unit=unit, rails=rails, **scaled)


_DIMENSIONED = (
    "low", "high", "coarse", "slew_per_s", "step", "jitter", "wander", "trend_per_s",
    "sustained", "turn",
)  # fmt: skip

_ACCELERATION = Limits(
    "acceleration", "[g]", ("ax", "ay", "az", "acc*", "x", "y", "z"),
    "full scales 2, 4, 8, 16 g of wearable MEMS sensors (InvenSense MPU-6500 and Bosch BMI160 "
    "data sheets); sustained: gravity, and what arm swing adds",
    low=-16.1, high=16.1, rails=(2.0, 4.0, 8.0, 16.0), still_s=1.0, sustained=2.2,
)  # fmt: skip
_ROTATION = Limits(
    "rotation", "deg/s", ("wx", "wy", "wz", "gx", "gy", "gz", "gyro*", "x", "y", "z"),
    "full scales 250, 500, 1000, 2000 deg/s of wearable MEMS sensors (InvenSense MPU-6500 and "
    "Bosch BMI160 data sheets); a limb does not turn once around in a window",
    low=-2010.0, high=2010.0, rails=(250.0, 500.0, 1000.0, 2000.0), still_s=1.0,
    sustained=20.0, turn=270.0,
)  # fmt: skip
_ECG = Limits(
    "ecg", "mV", ("ecg*", "ch*"),
    "AAMI EC13 input range: 5 mV either side at up to 320 mV/s, on up to 300 mV of electrode "
    "offset",
    low=-305.0, high=305.0, rails=(5.0, 5.12), shaped=True, still_s=0.25,
    slew_per_s=320.0, step=1.0, jitter=0.3, reversals_per_s=14.0, reversals=2.0, wander=1.5,
)  # fmt: skip
_HEART_RATE = Limits(
    "heart rate", "/min", ("hr*", "heart_rate*", "pulse_rate*", "pulse*"),
    "20: ventricular escape rhythms are 20 to 40 /min; 300: atrial flutter conducted 1:1; "
    "monitors show at least 30 to 200 (AAMI EC13)",
    low=20.0, high=300.0, still_s=20.0, coarse=1.0, slew_per_s=30.0, step=30.0, jitter=12.0,
    reversals_per_s=0.0, reversals=3.0, wander=50.0, trend_per_s=0.5,
)  # fmt: skip
_RR = Limits(
    "RR interval", "ms", ("rr*", "ppi*", "interval*"),
    "200 ms is 300 /min, see heart rate; 3 s is the pause that guidelines call significant "
    "(2018 ACC/AHA/HRS bradycardia guideline), 10 s an arrest",
    low=200.0, high=10_000.0,
)  # fmt: skip
_SPO2 = Limits(
    "oxygen saturation", "%", ("spo2*",),
    "a share; accuracy is stated over 70 to 100 % (ISO 80601-2-61), less is extrapolated",
    low=20.0, high=100.0, slew_per_s=20.0, step=20.0, jitter=6.0, reversals=3.0,
    wander=40.0, trend_per_s=0.5,
)  # fmt: skip
_BODY_TEMPERATURE = Limits(
    "body temperature", "Cel", ("temperature*", "body_temp*", "core*"),
    "13.7 Cel is the lowest core temperature survived (Gilbert et al., Lancet 2000), 46.5 Cel the "
    "highest (Slovis et al., Ann Emerg Med 1982)",
    low=13.0, high=47.0, slew_per_s=1.0, step=1.0, jitter=0.3, reversals=3.0,
    wander=1.5, trend_per_s=1.0 / 60,
)  # fmt: skip
_SKIN_TEMPERATURE = Limits(
    "skin temperature", "Cel", ("temp*", "skin*"),
    "tissue freezes near 0 Cel and burns from 44 Cel on (Moritz and Henriques, Am J Pathol 1947); "
    "a wrist sensor in the open is between",
    low=0.0, high=50.0, still_s=20.0, slew_per_s=1.0, step=1.0, jitter=0.3, reversals=3.0,
    wander=1.5, trend_per_s=1.0 / 60,
)  # fmt: skip
_PRESSURE = Limits(
    "blood pressure", "mm[Hg]",
    ("systolic*", "diastolic*", "map*", "bp*", "trestbps", "mean_arterial*"),
    "cuffs stop at 300 mm[Hg] (IEC 80601-2-30); 480/350 was measured in an artery while lifting "
    "weights (MacDougall et al., J Appl Physiol 1985)",
    low=10.0, high=480.0,
)  # fmt: skip
_GLUCOSE = Limits(
    "glucose", "mg/dL", ("glucose*", "concentration*", "cgm*"),
    "CGM systems report 40 to 400 (Dexcom G4 user guide), meters up to 600; blood glucose changes "
    "by at most 4 mg/dL a minute (Kovatchev et al., Diabetes Care 2004), slew is twice that",
    low=10.0, high=600.0, rails=(40.0, 400.0, 500.0), still_s=2700.0,
    slew_per_s=8.0 / 60, step=40.0, jitter=20.0, reversals=2.0, wander=30.0, trend_per_s=2.0 / 60,
)  # fmt: skip
_RESPIRATION = Limits(
    "respiration rate", "/min", ("resp*", "respiration*", "rr_breaths*"),
    "0 in apnoea; infants in distress reach 100, the rest is margin",
    low=0.0, high=150.0, slew_per_s=10.0, step=10.0, jitter=4.0, reversals=3.0,
    wander=15.0, trend_per_s=0.5,
)  # fmt: skip
_EDA = Limits(
    "skin conductance", "uS", ("eda*", "gsr*", "skin_conductance*"),
    "0.01 to 100 uS is the range of the Empatica E4; levels of 2 to 20 uS are usual (Boucsein, "
    "Electrodermal Activity, 2nd ed., 2012)",
    low=0.0, high=100.1, rails=(0.0, 100.0), still_s=20.0, slew_per_s=5.0, step=3.0, jitter=1.0,
    reversals=3.0, wander=4.0, trend_per_s=2.0 / 60,
)  # fmt: skip
_COUNTS = Limits(
    "raw counts", "{count}", ("*",),
    "no limits: a count is the sensor's own; give low, high and rails in the configuration",
    shaped=True, still_s=1.0,
)  # fmt: skip

_DEG_PER_RAD = 180.0 / math.pi
_MG_DL_PER_MMOL_L = 18.0156
_M_S2_PER_G = 9.80665

LIMITS: tuple[Limits, ...] = (
    _ACCELERATION,
    _ACCELERATION.in_unit("m/s2", _M_S2_PER_G),
    _ROTATION,
    _ROTATION.in_unit("rad/s", 1.0 / _DEG_PER_RAD),
    _ECG,
    _ECG.in_unit("uV", 1000.0),
    _RESPIRATION,
    _HEART_RATE,
    _RR,
    _RR.in_unit("s", 0.001),
    _SPO2,
    _BODY_TEMPERATURE,
    _SKIN_TEMPERATURE,
    _PRESSURE,
    _GLUCOSE,
    _GLUCOSE.in_unit("mmol/L", 1.0 / _MG_DL_PER_MMOL_L),
    _EDA,
    _COUNTS,
)


def limits_of(name: str, unit: str) -> Limits:
    """Return the limits of a channel by its name and UCUM unit; of unknown ones, none at all."""
    for row in LIMITS:
        if row.unit == unit and any(_is(name.lower(), pattern) for pattern in row.names):
            return row
    return Limits("unknown", unit, (name,), "not in the table", shaped=True)


def _is(name: str, pattern: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
