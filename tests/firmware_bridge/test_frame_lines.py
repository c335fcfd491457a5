from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.frame_lines import FrameLines

# Few different bytes, so that zero bytes and long lines are common.
BYTES = st.lists(st.sampled_from([0, 1, 1, 1, 2]), max_size=60).map(bytes)


@given(BYTES, st.lists(st.integers(0, 60), max_size=5))
def test_the_cuts_do_not_matter(data, cuts):
    edges = [0, *sorted(cuts), len(data)]
    lines = FrameLines(max_bytes=4)
    pieces = [line for a, b in pairwise(edges) for line in lines.receive(data[a:b])]
    bytewise = FrameLines(max_bytes=4)
    singly = [line for byte in data for line in bytewise.receive(bytes([byte]))]
    # An overlong line may be handed on cut or whole; either way it is one, and refused.
    assert [line[:5] for line in pieces] == [line[:5] for line in singly]


def test_empty_lines_are_a_flush_and_no_frame():
    assert FrameLines(8).receive(b"\0\0ab\0\0") == [b"ab"]


def test_a_babbling_port_costs_one_line_and_no_memory():
    lines = FrameLines(max_bytes=10)
    out = [line for _ in range(1000) for line in lines.receive(b"x" * 100)]
    assert len(out) == 1
    assert lines.receive(b"rest\0good\0") == [b"good"]


def test_what_was_cut_short_is_forgotten():
    lines = FrameLines(8)
    assert lines.receive(b"hal") == []
    lines.clear()
    assert lines.receive(b"ab\0") == [b"ab"]
