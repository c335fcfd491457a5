"""Clean windows of the recordings beside the repository, and the faults that their sensors have.

A window is clean where the recording says nothing else: what was padded to a length, a reading that
the sensor could not make, and a stretch without readings are left out here, by what the recordings'
README says of them and never by what the checks find.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.quality import Assessor, ChannelOverride
from firmware_bridge.sample import Channel
from firmware_bridge.simulate.signal_faults import FaultSizes

DATA = Path(__file__).parents[2] / "shared" / "data"
_COUNTS = ("x", "y", "z")
_STRESS_SECONDS = 60
_CGM_READINGS = 24


@dataclass(frozen=True, slots=True, eq=False)
class CleanWindows:
    """Windows float32[n, T, C] of one dataset, and whose each is: int[n]."""

    name: str
    channels: tuple[Channel, ...]
    rate_hz: float
    windows: NDArray[np.float32]
    subject: NDArray[np.int64]
    sizes: tuple[FaultSizes, ...]
    overrides: tuple[ChannelOverride, ...] = ()

    def assessor(self) -> Assessor:
        """Return the checks, with this dataset's channels."""
        return Assessor(self.channels, self.rate_hz, self.windows.shape[1], self.overrides)

    def of(self, half: int) -> CleanWindows:
        """Return the windows of every other subject: half 0 thresholds were chosen on, 1 not."""
        order = {subject: i for i, subject in enumerate(np.unique(self.subject).tolist())}
        mine = np.array([order[s] % 2 == half for s in self.subject.tolist()])
        return CleanWindows(
            self.name, self.channels, self.rate_hz, self.windows[mine], self.subject[mine],
            self.sizes, self.overrides,
        )  # fmt: skip


def shoulder_watch() -> CleanWindows:
    """Shoulder exercises, a smartwatch's acceleration and rotation."""
    data = np.load(DATA / "shoulder_watch_50hz.npz")
    turning = FaultSizes(beyond=(40.0, 500.0), scale=34.9, drift=(3.0, 8.0))
    return CleanWindows(
        "shoulder_watch",
        _channels(("ax", "ay", "az"), "[g]") + _channels(("wx", "wy", "wz"), "rad/s"),
        50.0, data["x"].astype(np.float32), data["subject"].astype(np.int64),
        (_ACCELERATION,) * 3 + (turning,) * 3,
    )  # fmt: skip


def hmp_wrist() -> CleanWindows:
    """Daily life, a wrist's acceleration in 6-bit counts: 1.5 g either side of 31.5."""
    data = np.load(DATA / "hmp_wrist_32hz.npz")
    sizes = FaultSizes(beyond=(80, 255), scale=31.5, middle=31.5, step=1.0)
    return CleanWindows(
        "hmp_wrist", _channels(_COUNTS, "{count}"),
        32.0, data["x"].astype(np.float32), data["subject"].astype(np.int64), (sizes,) * 3,
        tuple(ChannelOverride(name, 0.0, 63.0, (0.0, 63.0)) for name in _COUNTS),
    )  # fmt: skip


def umafall() -> CleanWindows:
    """Falls and daily life, waist and wrist; without the copies of the last reading at the end."""
    data = np.load(DATA / "umafall_20hz.npz")
    windows, subjects = [], []
    for trial, subject in zip(data["x"].astype(np.float32), data["subject"].tolist(), strict=True):
        for signal in trial:
            moving = np.flatnonzero((signal[1:] != signal[:-1]).any(axis=1))
            length = int(moving[-1]) + 2 if len(moving) else 0
            starts = range(0, length - 99, 100)
            windows += [signal[start : start + 100] for start in starts]
            subjects += [subject] * len(starts)
    turning = FaultSizes(beyond=(3000.0, 30_000.0), scale=250.0, drift=(180.0, 400.0))
    return CleanWindows(
        "umafall",
        _channels(("acc_x", "acc_y", "acc_z"), "[g]")
        + _channels(("gyro_x", "gyro_y", "gyro_z"), "deg/s"),
        20.0, np.stack(windows), np.array(subjects), (_ACCELERATION,) * 3 + (turning,) * 3,
    )  # fmt: skip


def mitbih() -> CleanWindows:
    """Beats of an ECG, normal and arrhythmic."""
    data = np.load(DATA / "mitbih_beats_120hz.npz")
    sizes = FaultSizes(
        beyond=(400.0, 4000.0), scale=5.0, drift=(2.5, 6.0), motion=(1.5, 4.0),
        spike=(6.0, 15.0), step=0.005,
    )  # fmt: skip
    return CleanWindows(
        "mitbih", (Channel("ecg", "mV"),), 120.0,
        (data["x"].astype(np.float32) / 200.0)[:, :, None], data["subject"].astype(np.int64),
        (sizes,),
    )  # fmt: skip


def stress_predict() -> CleanWindows:
    """A minute of an Empatica E4: heart rate, skin conductance, temperature, each second."""
    data = np.load(DATA / "stress_predict_1hz.npz")
    windows, subjects = _runs(
        data["x"][:, :3], data["t"], data["subject"], _STRESS_SECONDS, lambda steps: steps == 1
    )
    sizes = (
        FaultSizes(beyond=(350, 1000), drift=(110, 160), motion=(25, 50), spike=(80, 150),
                   step=0.01),
        FaultSizes(beyond=(120, 1000), scale=50, middle=50, drift=(8, 20), motion=(3, 8),
                   spike=(8, 30), step=0.001),
        FaultSizes(beyond=(60, 300), drift=(4, 10), motion=(1, 4), spike=(3, 15), step=0.01),
    )  # fmt: skip
    channels = (Channel("hr", "/min"), Channel("eda", "uS"), Channel("temp", "Cel"))
    return CleanWindows("stress_predict", channels, 1.0, windows, subjects, sizes)


def cgm_glucose() -> CleanWindows:
    """Two hours of continuous glucose monitoring, a reading in five minutes."""
    data = np.load(DATA / "cgm_glucose.npz")
    windows, subjects = _runs(
        data["glucose"][:, None].astype(np.float32), data["t"], data["subject"], _CGM_READINGS,
        lambda steps: (steps > 240) & (steps < 360),
    )  # fmt: skip
    sizes = FaultSizes(
        beyond=(700, 5000), scale=180, middle=220, drift=(400, 600), motion=(50, 100),
        spike=(100, 250), step=1.0,
    )  # fmt: skip
    channels = (Channel("glucose", "mg/dL"),)
    return CleanWindows("cgm_glucose", channels, 1 / 300, windows, subjects, (sizes,))


DATASETS: dict[str, Callable[[], CleanWindows]] = {
    dataset.__name__: dataset
    for dataset in (shoulder_watch, hmp_wrist, umafall, mitbih, stress_predict, cgm_glucose)
}
_ACCELERATION = FaultSizes(beyond=(20.0, 200.0), scale=8.0, drift=(5.0, 10.0))


def _channels(names: tuple[str, ...], unit: str) -> tuple[Channel, ...]:
    return tuple(Channel(name, unit) for name in names)


def _runs(
    values: NDArray[np.float32],
    times: NDArray[np.int64],
    subject: NDArray[np.int64],
    length: int,
    regular: Callable[[NDArray[np.int64]], NDArray[np.bool_]],
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Cut one subject's readings float32[n, C] where they follow each other without a gap."""
    follows = regular(np.diff(times)) & (np.diff(subject) == 0)
    windows, subjects, start = [], [], 0
    while start + length <= len(values):
        breaks = np.flatnonzero(~follows[start : start + length - 1])
        if len(breaks):
            start += int(breaks[-1]) + 1
        else:
            windows.append(values[start : start + length])
            subjects.append(int(subject[start]))
            start += length
    return np.stack(windows), np.array(subjects)
