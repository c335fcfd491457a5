import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.profiles import profile, profile_names
from firmware_bridge.start_switch import StartSwitch

START, STOP = b"\x7d\x81\xa1", b"\x7d\x81\xa2"


def told(*data, start=START, stop=STOP):
    switch = StartSwitch(start, stop)
    for part in data:
        switch.hear(part)
    return switch.on


def test_a_sensor_without_a_command_always_sends():
    switch = StartSwitch()
    switch.hear(b"anything")
    assert switch.on
    assert not switch.listens


@pytest.mark.parametrize(
    ("said", "on"),
    [
        (b"", False),
        (START, True),
        (b"noise" + START + b"noise", True),
        (START + STOP, False),
        (START + STOP + START, True),
        (START + START, True),
        (STOP, False),
        (START[:-1], False),
    ],
)
def test_the_last_command_counts_however_it_was_cut(said, on):
    assert told(said) is on
    assert told(*(bytes((octet,)) for octet in said)) is on


def test_a_sensor_that_nobody_can_stop():
    assert told(START, b"s", STOP, stop=b"")


@given(st.lists(st.sampled_from([START, STOP, b"\x7d", b"\x81", b"xx"])), st.data())
def test_cuts_change_nothing(parts, data):
    said = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(said)), max_size=5)))
    pieces = [said[a:b] for a, b in zip([0, *cuts], [*cuts, len(said)], strict=True)]
    assert told(*pieces) is told(said)


@pytest.mark.parametrize(
    "name", [name for name in profile_names() if (line := profile(name).serial) and line.start]
)
def test_commands_of_every_profile(name):
    link = profile(name).serial
    assert told(link.start, start=link.start, stop=link.stop)
    assert not told(link.start, link.keep_alive, link.stop, start=link.start, stop=link.stop)
