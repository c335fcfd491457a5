"""What is cleared of what a broker retains, and how often it is asked for."""

from __future__ import annotations

from broker.aggregator.retained_sweep import RetainedSweep
from broker.protocol.effects import Publish, Subscribe, Unsubscribe
from broker.protocol.topics import Topics

TOPICS = Topics("ward")
OURS, FOREIGN = b"o" * 32, b"f" * 32
ASK, END = Subscribe(TOPICS.all_blob_chunks), Unsubscribe(TOPICS.all_blob_chunks)


def swept(*named: bytes) -> RetainedSweep:
    return RetainedSweep(TOPICS, lambda: frozenset(named))


def test_chunks_that_nobody_names_are_cleared_and_no_others() -> None:
    sweep = swept(OURS)
    assert sweep.connected() == []
    assert sweep.tick(0.0) == [ASK]
    foreign = TOPICS.blob_chunk(FOREIGN, 3)
    assert sweep.heard(foreign, b"data", 1.0) == [Publish(foreign, b"", retain=True)]
    assert sweep.heard(foreign, b"", 1.0) == []  # our own word, heard again
    assert sweep.heard(TOPICS.blob_chunk(OURS, 0), b"data", 1.0) == []
    for topic in ("perfuse/v1/ward/blob/zz/0", f"{TOPICS.root}/model", "other/blob/x/0"):
        assert sweep.heard(topic, b"data", 1.0) == []


def test_it_ends_after_silence_and_is_done_once_in_a_life() -> None:
    sweep = swept(OURS)
    sweep.connected()
    assert sweep.tick(0.0) == [ASK]
    sweep.heard(TOPICS.blob_chunk(FOREIGN, 0), b"data", 50.0)
    assert sweep.tick(109.0) == []
    sweep.heard(TOPICS.blob_chunk(OURS, 0), b"data", 109.0)  # does not prolong it
    assert sweep.tick(110.0) == [END]
    assert sweep.tick(111.0) == sweep.connected() == []
    # A broker that has not heard that it is over is told again.
    assert sweep.heard(TOPICS.blob_chunk(FOREIGN, 0), b"data", 112.0) == [END]


def test_a_link_that_was_down_meanwhile_makes_it_ask_again() -> None:
    sweep = swept(OURS)
    assert sweep.tick(0.0) == []  # there is no link yet
    sweep.connected()
    assert sweep.tick(1.0) == [ASK]
    assert sweep.connected() == [ASK]


def test_nothing_is_swept_while_there_is_no_model_of_our_own() -> None:
    named: set[bytes] = set()
    sweep = RetainedSweep(TOPICS, lambda: frozenset(named))
    sweep.connected()
    assert sweep.tick(0.0) == []
    assert sweep.heard(TOPICS.blob_chunk(FOREIGN, 0), b"data", 0.0) == []
    named.add(OURS)
    assert sweep.tick(1.0) == [ASK]
