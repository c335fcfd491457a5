"""A download asks for few chunks at once, for missing ones alone, each until it has come."""

from __future__ import annotations

import numpy as np
import pytest

from broker.protocol.effects import Subscribe, Unsubscribe
from broker.protocol.errors import RemoteProtocolError
from broker.protocol.topics import Topics
from broker.protocol.transfer import cut, refer
from edge_agent.download import Download

TOPICS = Topics("ward")
NOW = 1000.0
BLOB = np.random.default_rng(1).bytes(9_500)
REFERENCE = refer(BLOB, 1000)
CHUNKS = list(cut(BLOB, REFERENCE, range(REFERENCE.chunks)))


def topic(index):
    return TOPICS.blob_chunk(REFERENCE.digest, index)


def asked(requests):
    return [r.topic_filter for r in requests if isinstance(r, Subscribe)]


def given_up(requests):
    return [r.topic_filter for r in requests if isinstance(r, Unsubscribe)]


def begun(link=True):
    download = Download(TOPICS)
    return download, download.seek([REFERENCE], NOW, link=link)


def test_few_chunks_are_asked_for_at_once_and_each_that_comes_makes_room():
    download, requests = begun()
    assert asked(requests) == [topic(i) for i in range(4)]
    whole, requests = download.take(topic(2), CHUNKS[2], NOW)
    assert (whole, given_up(requests)) == (None, [topic(2)])
    assert asked(download.seek([REFERENCE], NOW, link=True)) == [topic(4)]


def test_every_chunk_is_asked_for_once_and_the_blob_is_whole():
    download, requests = begun()
    everything = asked(requests)
    for name in everything:
        index = int(name.rpartition("/")[2])
        whole, requests = download.take(name, CHUNKS[index], NOW)
        assert given_up(requests) == [name]
        if whole is None:
            everything += asked(download.seek([REFERENCE], NOW, link=True))
    assert sorted(everything) == sorted(map(topic, range(REFERENCE.chunks)))
    assert whole is not None
    assert whole.blob() == BLOB
    assert not download.active


def test_a_new_link_waits_for_the_session_and_then_asks_for_what_is_missing():
    download, _ = begun()
    download.take(topic(0), CHUNKS[0], NOW)
    assert asked(download.resume(NOW + 1, link=True)) == [topic(4)]
    assert download.tick(NOW + 5) == []
    assert asked(download.tick(NOW + 6)) == [topic(i) for i in (1, 2, 3, 4)]
    assert download.tick(NOW + 7) == []


def test_what_comes_puts_the_next_asking_off():
    download, _ = begun()
    download.take(topic(0), CHUNKS[0], NOW + 20)
    assert download.tick(NOW + 49) == []
    assert asked(download.tick(NOW + 50)) == [topic(i) for i in (1, 2, 3, 4)]


def test_without_a_link_nothing_is_asked_and_with_one_it_begins():
    download, requests = begun(link=False)
    assert requests == []
    assert asked(download.resume(NOW, link=True)) == [topic(i) for i in range(4)]


def test_another_blob_gives_the_chunks_under_way_up():
    download, _ = begun()
    other = refer(BLOB[::-1], 5000)
    requests = download.seek([other], NOW, link=True)
    assert given_up(requests) == [topic(i) for i in range(4)]
    assert asked(requests) == [TOPICS.blob_chunk(other.digest, i) for i in range(2)]
    assert download.take(topic(0), CHUNKS[0], NOW) == (None, [])


def test_a_chunk_on_anothers_topic_is_refused():
    download, _ = begun()
    with pytest.raises(RemoteProtocolError):
        download.take(topic(1), CHUNKS[0], NOW)
