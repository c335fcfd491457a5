"""The gateway's examples: bounded, aligned, and theirs alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from edge_agent.errors import StorageError
from edge_agent.examples import ExampleStore, HoldBack
from edge_agent.labels import Annotation
from edge_agent.windows import Window

SHAPE = (4, 2)
LABELS = ("walk", "rest")


def window(number: int, sensor: str = "watch", shape: tuple[int, ...] = SHAPE) -> Window:
    """A window whose values are all its number."""
    values = np.full(shape, number, np.float32)
    return Window(sensor, number * 100, number * 100 + 80, values, 0.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "examples.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[ExampleStore]:
    with closing(ExampleStore(path, SHAPE, 6)) as store:
        yield store


def held(store: ExampleStore) -> list[int]:
    x, _ = store.batch(store.ids(None), LABELS)
    return x[:, 0, 0].astype(int).tolist()


def test_examples_come_back_with_their_labels_aligned(store: ExampleStore) -> None:
    for number, label in enumerate(["walk", "rest", None, "rest", "walk", "run"]):
        store.add(window(number), label)
    ids = store.ids(LABELS)
    x, y = store.batch(ids[::-1], LABELS)
    assert (x.dtype, y.dtype, x.shape) == (np.float32, np.int32, (4, *SHAPE))
    by_number = dict(zip(x[:, 0, 0].astype(int).tolist(), y.tolist(), strict=True))
    assert by_number == {0: 0, 1: 1, 3: 1, 4: 0}
    _, flipped = store.batch(ids, ("rest", "walk"))
    assert sorted(flipped.tolist()) == [0, 0, 1, 1]
    assert len(store) == 6
    assert store.labelled(LABELS) == 4
    assert store.labelled(["run"]) == 1
    assert store.labelled(['it\'s "quoted"']) == 0


def test_values_come_back_bit_for_bit(store: ExampleStore) -> None:
    values = np.array([[np.nan, -0.0], [1e-45, 3e38], [0.1, -1], [2, 3]], np.float32)
    store.add(Window("watch", 1, 2, values, 0.0), None)
    x, _ = store.batch(store.ids(None), LABELS)
    assert x[0].tobytes() == values.tobytes()


def test_no_examples_are_an_empty_batch(store: ExampleStore) -> None:
    x, y = store.batch(store.ids(None), LABELS)
    assert x.shape == (0, *SHAPE)
    assert y.shape == (0,)


def test_the_oldest_unlabelled_go_first_then_the_oldest(store: ExampleStore) -> None:
    for number in range(6):
        store.add(window(number), "walk" if number % 2 else None)
    store.add(window(6), "rest")
    assert held(store) == [1, 2, 3, 4, 5, 6]
    store.extend([(window(7), "walk"), (window(8), "walk")])
    assert held(store) == [1, 3, 5, 6, 7, 8]
    store.add(window(9), "walk")
    assert held(store) == [3, 5, 6, 7, 8, 9]
    assert len(store) == 6


def test_the_same_stretch_of_a_sensor_is_kept_once(store: ExampleStore) -> None:
    store.add(window(1), "walk")
    store.add(window(1), "rest")
    store.add(window(1, "other"), "rest")
    assert len(store) == 2
    assert store.labelled(["walk"]) == 1


def test_an_annotation_labels_what_lies_within_it(store: ExampleStore) -> None:
    for number in range(5):
        store.add(window(number), "rest" if number == 2 else None)
    assert store.annotate(Annotation(100, 380, "walk")) == 3
    assert store.labelled(["walk"]) == 3
    assert store.labelled(["rest"]) == 0
    assert store.annotate(Annotation(101, 179, "walk")) == 0


def test_a_window_of_another_shape_is_refused_and_nothing_kept(store: ExampleStore) -> None:
    store.add(window(1), None)
    with pytest.raises(StorageError, match="does not fit"):
        store.extend([(window(2), None), (window(3, shape=(3, 2)), None)])
    assert len(store) == 1
    assert held(store) == [1]


def test_examples_that_were_let_go_of_are_passed_over(store: ExampleStore) -> None:
    for number in range(6):
        store.add(window(number), "walk")
    ids = store.ids(None)
    store.add(window(7), "walk")
    x, y = store.batch(ids, LABELS)
    assert len(x) == len(y) == 5


def test_everything_is_there_after_a_restart(store: ExampleStore, path: Path) -> None:
    store.extend([(window(1), "walk"), (window(2), None)])
    store.close()
    with closing(ExampleStore(path, SHAPE, 6)) as again:
        assert held(again) == [1, 2]
        assert (len(again), again.labelled(LABELS)) == (2, 1)


def test_another_connection_reads_what_was_written(store: ExampleStore, path: Path) -> None:
    with closing(ExampleStore(path, SHAPE, 6)) as reader:
        store.add(window(1), "walk")
        assert held(reader) == [1]


def test_a_smaller_capacity_applies_with_the_next_example(store: ExampleStore, path: Path) -> None:
    store.extend([(window(n), "walk") for n in range(5)])
    store.close()
    with closing(ExampleStore(path, SHAPE, 2)) as again:
        again.add(window(9), "walk")
        assert held(again) == [4, 9]


def test_a_store_of_another_shape_is_refused(store: ExampleStore, path: Path) -> None:
    store.close()
    with pytest.raises(StorageError, match="holds examples of 4x2, the model wants 8") as caught:
        ExampleStore(path, (8,), 6)
    assert caught.value.path == str(path)


def test_a_corrupt_file_is_mended(path: Path) -> None:
    path.write_bytes(b"not a database, whatever its name says" * 40)
    with closing(ExampleStore(path, SHAPE, 6)) as store:
        store.add(window(1), "walk")
        assert len(store) == 1


def test_damage_that_shows_later_is_a_storage_error(store: ExampleStore, path: Path) -> None:
    for number in range(6):
        store.add(window(number), "walk")
    ids = store.ids(None)
    store.close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE example")
    # The schema is made anew by opening; here the file changes beneath an open one.
    with closing(ExampleStore(path, SHAPE, 6)) as damaged:
        with closing(sqlite3.connect(path)) as db:
            db.execute("DROP TABLE example")
        for read in (
            lambda: damaged.ids(None),
            lambda: damaged.batch(ids, LABELS),
            lambda: damaged.labelled(LABELS),
            lambda: damaged.annotate(Annotation(0, 1, "walk")),
            lambda: damaged.add(window(1), None),
        ):
            with pytest.raises(StorageError, match="no such table"):
                read()


def test_a_full_disk_keeps_nothing_and_passes(path: Path) -> None:
    with closing(ExampleStore(path, (50_000,), 6)) as store:
        (pages,) = store._db.execute("PRAGMA page_count").fetchone()
        store._db.execute(f"PRAGMA max_page_count={pages}")
        big = window(1, shape=(50_000,))
        with pytest.raises(StorageError, match="full"):
            store.add(big, "walk")
        assert len(store) == 0
        store._db.execute("PRAGMA max_page_count=100000")
        store.add(big, "walk")
        assert len(store) == 1


def test_some_examples_are_held_back_by_themselves_and_not_too_many(tmp_path: Path) -> None:
    def kept(path: Path | str, most: int) -> tuple[set[int], list[int]]:
        hold_back = HoldBack(0.25, most)
        with closing(ExampleStore(path, SHAPE, 1000, hold_back=hold_back)) as store:
            for number in range(200):
                store.add(window(number), "walk" if number % 2 else None)
            ids, known = store.held_back(LABELS)
            x, _ = store.batch(ids, LABELS)
            numbers = x[:, 0, 0].astype(int).tolist()
            assert known.tolist() == [number % 2 == 1 for number in numbers]
            assert not set(ids.tolist()) & set(store.ids(None).tolist())
            assert store.trainable(None) == len(store.ids(None)) == 200 - len(ids)
            assert store.labelled(LABELS) == len(store.ids(LABELS))
            assert store.labelled(LABELS) == 100 - known.sum()
            return set(numbers), numbers

    many, _ = kept(tmp_path / "a.sqlite", 200)
    assert 30 < len(many) < 70
    again, _ = kept(":memory:", 200)
    assert again == many
    few, _ = kept(":memory:", 8)
    assert len(few) == 8
    assert few < many


def test_truths_come_back_and_only_their_examples_are_trained_on(tmp_path: Path) -> None:
    path = tmp_path / "examples.sqlite"
    with closing(ExampleStore(path, SHAPE, 6, ((2,), "<f4"))) as store:
        store.add(window(0), None, np.array([1.5, -2.0]))
        store.add(window(1), None)
        store.add(window(2), None, np.array([3.0, 4.0]))
        ids = store.ids(None)
        _, y = store.batch(ids, ())
        assert y.dtype == np.float32
        assert y.tolist() == [[1.5, -2.0], [3.0, 4.0]]
        assert store.trainable(None) == 2
        with pytest.raises(StorageError, match="truth"):
            store.add(window(3), None, np.zeros(3))
    with closing(ExampleStore(":memory:", SHAPE, 6, ((2, 2), "<i4"))) as store:
        store.add(window(0), None, np.array([[0, 1], [2, 1]]))
        assert store.batch(store.ids(None), ())[1].tolist() == [[[0, 1], [2, 1]]]


def test_a_file_of_before_there_were_truths_goes_on(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.executescript(
            "CREATE TABLE shape (dims TEXT NOT NULL); INSERT INTO shape VALUES ('4x2');"
            "CREATE TABLE example (id INTEGER PRIMARY KEY, sensor TEXT NOT NULL, start_ns INTEGER "
            "NOT NULL, end_ns INTEGER NOT NULL, label TEXT, x BLOB NOT NULL, UNIQUE (sensor, "
            "start_ns));"
        )
        db.execute(
            "INSERT INTO example VALUES (1, 'watch', 0, 80, 'walk', ?)",
            (np.zeros(8, "<f4").tobytes(),),
        )
    with closing(ExampleStore(path, SHAPE, 6)) as store:
        store.add(window(1), "rest")
        assert store.ids(LABELS).tolist() == [1, 2]
