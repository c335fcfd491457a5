"""Public recordings, cut to what the shipped models take."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import numpy as np
import pytest

from models.artifact import load_artifact
from perfuse.simulation.preparation import DS1, DS2, beats, digits, glucose, shapes

_DATA = Path(__file__).parents[2].parent / "shared" / "data"


def test_the_halves_of_the_beats_share_no_record_and_no_person() -> None:
    assert not set(DS1) & set(DS2)
    assert {201, 202} & set(DS1) == {201}  # one person, one record in each half as published
    assert len(DS1) == len(DS2) == 22


def test_beats_carry_their_rhythm_as_constant_channels(tmp_path: Path) -> None:
    path = tmp_path / "beats.npz"
    generator = np.random.default_rng(0)
    np.savez(
        path,
        x=generator.integers(-400, 400, (5, 120)).astype(np.int16),
        y=np.array([0, 2, 4, 2, 1], np.int8),
        subject=np.array([100, 100, 100, 102, 101], np.int16),
        rr=np.array([[0.8, 0.7], [0.5, 1.1], [1, 1], [1, 1], [0, 0.9]], np.float32),
    )
    found = beats(path)
    # Unclassifiable, paced, and at a record's start: three of the five are left out.
    assert found.x.shape == (2, 120, 3)
    assert found.y.tolist() == [0, 1]
    assert found.subject.tolist() == [100, 100]
    assert np.ptp(found.x[:, :, 1:], axis=1).max() == 0
    assert found.x[1, 0, 1:].tolist() == pytest.approx([0.5, 1.1])
    assert beats(path, (101,)).x.shape[0] == 0
    assert beats(path, rhythm=False).x.shape == (2, 120, 1)


def test_glucose_windows_have_no_gap_and_end_before_their_target(tmp_path: Path) -> None:
    path = tmp_path / "cgm.npz"
    times = np.arange(80) * 300
    times[40:] += 3600
    owner = np.repeat([0, 1], 40)
    np.savez(path, glucose=np.arange(80, dtype=np.int16), t=times, subject=owner)
    found = glucose(path, steps=24, ahead=6, hop=1)
    assert len(found.x) == 2 * (40 - 30 + 1)
    assert (found.y[:, 0] - found.x[:, -1, 0] == 6).all()
    assert sorted(set(found.subject.tolist())) == [0, 1]


def test_digits_are_read_out_of_a_wheel(tmp_path: Path) -> None:
    table = np.zeros((26, 65), int)
    table[:, 64] = np.arange(26) % 10
    table[:, :64] = np.arange(64) % 17
    wheel = tmp_path / "some.whl"
    text = "\n".join(",".join(map(str, row)) for row in table)
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("sklearn/datasets/data/digits.csv.gz", gzip.compress(text.encode()))
    found = digits(wheel)
    assert found.x.shape == (26, 28, 28, 1)
    assert found.y.tolist() == table[:, 64].tolist()
    assert np.bincount(found.subject).tolist() == [2] * 13
    corner, last = found.x[0, 0, 0, 0], found.x[0, -1, -1, 0]
    assert (corner, last) == (table[0, 0], table[0, 63])
    assert found.x.min() >= 0
    assert found.x.max() <= 16


def test_generated_shapes_follow_their_seed_and_fill_every_class() -> None:
    first, again, other = (shapes(np.random.default_rng(s), 40) for s in (1, 1, 2))
    assert first.x.tobytes() == again.x.tobytes() != other.x.tobytes()
    assert set(np.unique(first.y)) == {0, 1, 2}
    spec = load_artifact("shapes-unet").spec
    assert first.x.shape[1:] == spec.input_shape
    brighter = [first.x[..., 0][first.y == kind].mean() for kind in (0, 1, 2)]
    assert brighter[0] < min(brighter[1:])


def test_real_files_fit_the_shipped_models() -> None:
    if not _DATA.exists():
        pytest.skip("the recordings are not at hand")
    found = glucose(_DATA / "cgm_glucose.npz")
    assert found.x.shape[1:] == load_artifact("glucose-forecast").spec.input_shape
    assert len(set(found.subject.tolist())) > 20
    assert 40 < found.y.mean() < 250
