"""Public recordings, cut to what the shipped models take: x, y and whose each row is.

`python benchmarks/prepare_data.py` writes what these give as files for `perfuse simulate`.
"""

from __future__ import annotations

import gzip
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# AAMI's recommended split of the MIT-BIH records by patient (de Chazal et al. 2004); paced
# records are in neither half.
DS1 = (101, 106, 108, 109, 112, 114, 115, 116, 118, 119, 122, 124, 201, 203, 205, 207, 208, 209,
       215, 220, 223, 230)  # fmt: skip
DS2 = (100, 103, 105, 111, 113, 117, 121, 123, 200, 202, 210, 212, 213, 214, 219, 221, 222, 228,
       231, 232, 233, 234)  # fmt: skip
_V = 2
_UNCLASSIFIED = 4
_DIGITS_MEMBER = "sklearn/datasets/data/digits.csv.gz"


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """x[n, ...] in the sensor's units, y[n, ...], and whose each row is, int64[n]."""

    x: NDArray[np.float32]
    y: NDArray[Any]
    subject: NDArray[np.int64]


def beats(path: Path, records: tuple[int, ...] = DS1 + DS2, rhythm: bool = True) -> Prepared:
    """MIT-BIH beats, V (1) against the rest (0): x float32[n, 120, 3], or 1 without the rhythm.

    Channels are the ECG in mV and the RR intervals before and after in s, held over the beat: what
    stands for the whole window is a channel that does not change. Beats at a record's end, which
    lack an interval, and unclassifiable ones (AAMI's Q) are left out.
    """
    with np.load(path) as data:
        kept = np.isin(data["subject"], records) & (data["y"] != _UNCLASSIFIED)
        kept &= (data["rr"] > 0).all(axis=1)
        ecg = data["x"][kept].astype(np.float32)[..., None] / np.float32(200)
        y = (data["y"][kept] == _V).astype(np.int64)
        subject = data["subject"][kept].astype(np.int64)
        rr = np.broadcast_to(data["rr"][kept][:, None, :], (len(ecg), ecg.shape[1], 2))
    x = np.concatenate([ecg, rr.astype(np.float32)], axis=2) if rhythm else ecg
    return Prepared(x, y, subject)


def glucose(path: Path, steps: int = 24, ahead: int = 6, hop: int = 3) -> Prepared:
    """Continuous glucose in mg/dL: x float32[n, steps, 1], y float32[n, 1] `ahead` readings later.

    Only stretches without a gap (readings 4 to 6 minutes apart) are cut.
    """
    x, y, subject = [], [], []
    with np.load(path) as data:
        values = data["glucose"].astype(np.float32)
        times, owner = data["t"], data["subject"]
    steady = (np.abs(np.diff(times) - 300) <= 60) & (np.diff(owner) == 0)
    length = steps + ahead
    for start in range(0, len(values) - length + 1, hop):
        if steady[start : start + length - 1].all():
            x.append(values[start : start + steps, None])
            y.append(values[start + length - 1 : start + length])
            subject.append(int(owner[start]))
    return Prepared(np.stack(x), np.stack(y), np.array(subject, np.int64))


def digits(wheel: Path, size: int = 28, writers: int = 13) -> Prepared:
    """Handwritten digits (UCI, Alpaydin and Kaynak 1998) out of a scikit-learn wheel.

    8 x 8 counts of 0 to 16 drawn bilinearly on `size` x `size`: x float32[n, size, size, 1], y
    int64[n]. The file does not say who wrote what; rows are in the order of collection, so a client
    is a run of rows.
    """
    table = np.loadtxt(io.BytesIO(_digits_table(wheel)), delimiter=",", dtype=np.float32)
    images, y = table[:, :-1].reshape(-1, 8, 8), table[:, -1].astype(np.int64)
    weights = _bilinear(8, size)
    x = np.einsum("ia,nab,jb->nij", weights, images, weights)[..., None]
    subject = np.arange(len(y)) * writers // len(y)
    return Prepared(x.astype(np.float32), y, subject.astype(np.int64))


def shapes(
    generator: np.random.Generator, count: int, clients: int = 8, size: int = 32
) -> Prepared:
    """Generated discs (1) and bars (2) on a noisy, uneven background (0).

    x float32[n, size, size, 1] brightness, y int64[n, size, size]. Each client's camera has its own
    brightness and noise.
    """
    gain, noise = generator.uniform(0.6, 1.4, clients), generator.uniform(0.1, 0.3, clients)
    subject = np.sort(generator.integers(0, clients, count))
    row, column = np.mgrid[0:size, 0:size]
    x, y = np.empty((count, size, size, 1), np.float32), np.zeros((count, size, size), np.int64)
    for i, client in enumerate(subject):
        centre, radius = generator.uniform(6, size - 6, 2), generator.uniform(3, 6)
        disc = (row - centre[0]) ** 2 + (column - centre[1]) ** 2 <= radius**2
        at, angle = generator.uniform(6, size - 6, 2), generator.uniform(0, np.pi)
        along = (row - at[0]) * np.sin(angle) + (column - at[1]) * np.cos(angle)
        across = (row - at[0]) * np.cos(angle) - (column - at[1]) * np.sin(angle)
        bar = (np.abs(along) <= 8) & (np.abs(across) <= 1.5)
        y[i][bar], y[i][disc] = 2, 1
        tilt = generator.uniform(-0.02, 0.02, 2)
        scene = 0.3 + tilt[0] * row + tilt[1] * column + 0.7 * (bar | disc)
        x[i, ..., 0] = gain[client] * scene + noise[client] * generator.normal(size=(size, size))
    return Prepared(x, y, subject.astype(np.int64))


def falls(path: Path) -> Prepared:
    """UMAFall's wrist sensor: x float32[n, 300, 6], y int64[n] activities and falls."""
    with np.load(path) as data:
        return Prepared(
            data["x"][:, 1].astype(np.float32),
            data["y"].astype(np.int64),
            data["subject"].astype(np.int64),
        )


def _digits_table(wheel: Path) -> bytes:
    if wheel.is_dir():
        return gzip.decompress((wheel / _DIGITS_MEMBER).read_bytes())
    with zipfile.ZipFile(wheel) as archive:
        return gzip.decompress(archive.read(_DIGITS_MEMBER))


def _bilinear(source: int, target: int) -> NDArray[np.float32]:
    """float32[target, source]: each row is two neighbours' weights."""
    place = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
    low = np.minimum(place.astype(np.int64), source - 2)
    weights = np.zeros((target, source), np.float32)
    weights[np.arange(target), low] = 1 - (place - low)
    weights[np.arange(target), low + 1] = place - low
    return weights
