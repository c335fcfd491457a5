"""Who gets a topic: the same as when it is held against every filter."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from broker.protocol.loopback import matches
from perfuse.virtual.subscribers import Subscribers

LEVELS = st.lists(st.sampled_from("abc"), min_size=1, max_size=3)
TOPICS = LEVELS.map("/".join)
FILTERS = st.one_of(
    TOPICS,
    st.lists(st.sampled_from(["a", "b", "+"]), min_size=1, max_size=3).map("/".join),
    TOPICS.map(lambda topic: f"{topic}/#"),
)
CHANGES = st.lists(st.tuples(st.booleans(), st.sampled_from("xyz"), FILTERS), max_size=20)


@given(CHANGES, TOPICS)
def test_a_topic_goes_to_those_whose_filters_match_it_each_once(changes, topic):
    subscribers, plain = Subscribers(), set()
    for adds, client, topic_filter in changes:
        (subscribers.add if adds else subscribers.remove)(client, topic_filter)
        (plain.add if adds else plain.discard)((client, topic_filter))
    expected = {client for client, topic_filter in plain if matches(topic_filter, topic)}
    assert sorted(subscribers.of(topic)) == sorted(expected)
