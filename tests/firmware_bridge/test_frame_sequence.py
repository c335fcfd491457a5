from firmware_bridge.frame_sequence import LATE_FRAMES, SequenceTracker


def admitted(*frames):
    tracker = SequenceTracker()
    return [tracker.admit(sequence, timestamp) for sequence, timestamp in frames]


def test_the_first_frame_starts_the_count():
    assert admitted((17, 0), (18, 1)) == [0, 0]


def test_gaps():
    assert admitted((1, 0), (3, 1), (10, 2)) == [0, 1, 6]


def test_the_count_wraps():
    assert admitted((2**32 - 1, 0), (0, 1), (2, 2)) == [0, 0, 1]


def test_twice_and_late():
    assert admitted((5, 50), (5, 50), (4, 40), (6, 60)) == [0, None, None, 0]


def test_late_across_the_wrap():
    assert admitted((1, 50), (2**32 - 2, 20), (2, 60)) == [0, None, 0]


def test_a_sensor_that_starts_again_with_a_running_clock():
    assert admitted((40, 1000), (0, 2000), (1, 2001)) == [0, 0, 0]


def test_a_sensor_that_starts_again_with_its_clock():
    assert admitted((LATE_FRAMES + 1, 1000), (0, 0), (1, 1)) == [0, 0, 0]


def test_after_the_line_was_away_nothing_is_late():
    tracker = SequenceTracker()
    tracker.admit(10, 100)
    tracker.line_reopened()
    assert tracker.admit(0, 0) == 0
    assert tracker.admit(0, 0) is None


def test_what_was_missed_while_the_line_was_away_is_missing():
    tracker = SequenceTracker()
    tracker.admit(10, 100)
    tracker.line_reopened()
    assert tracker.admit(31, 310) == 20
