"""Which label a stretch of time has."""

from __future__ import annotations

import pytest

from edge_agent.labels import Annotation, LabelTrack
from firmware_bridge.sample import Mark


def track(*marks: tuple[int, str | None], keep_ns: int = 10**12) -> LabelTrack:
    found = LabelTrack(keep_ns)
    for at, label in marks:
        found.add(Mark("watch", at, label))
    return found


@pytest.mark.parametrize(
    ("start", "end", "label"),
    [
        (0, 50, None),  # before the first mark
        (50, 150, None),  # begins before it
        (100, 200, "walk"),  # exactly
        (150, 151, "walk"),
        (100, 201, None),  # reaches into the next
        (200, 300, "rest"),
        (250, 350, None),  # reaches into nothing
        (300, 400, None),
        (400, 500, "walk"),
        (450, 10**9, "walk"),  # the last goes on
    ],
)
def test_a_label_must_cover_all_of_a_window(start: int, end: int, label: str | None) -> None:
    found = track((100, "walk"), (200, "rest"), (300, None), (400, "walk"))
    assert found.label_of(start, end) == label


def test_the_same_label_again_changes_nothing() -> None:
    assert track((100, "walk"), (150, "walk")).label_of(120, 180) == "walk"


def test_a_late_mark_replaces_what_came_after_it() -> None:
    found = track((100, "walk"), (300, "rest"), (200, "run"))
    assert found.label_of(100, 200) == "walk"
    assert found.label_of(300, 400) == "run"


def test_two_marks_at_once_leave_the_last() -> None:
    found = track((100, "walk"), (100, "rest"))
    assert found.label_of(100, 110) in ("rest", None)
    assert found.label_of(100, 110) == "rest"


def test_old_marks_are_let_go_of_but_not_the_one_in_force() -> None:
    found = track(*((at, f"l{at}") for at in range(0, 1000, 10)), keep_ns=50)
    assert len(found._times) <= 7
    assert found.label_of(990, 995) == "l990"
    assert found.label_of(940, 950) == "l940"
    assert found.label_of(900, 910) is None
    quiet = track((0, "walk"), (10**6, "walk"), keep_ns=50)
    assert quiet.label_of(10**6 - 20, 10**6 + 20) == "walk"


def test_an_annotation_ends_after_it_starts() -> None:
    with pytest.raises(ValueError, match="ends after"):
        Annotation(5, 5, "walk")
