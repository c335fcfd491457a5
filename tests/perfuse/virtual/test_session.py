"""Sessions in virtual time: what a broker of MQTT 3.1.1 promises, with the link cut anywhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.protocol.effects import Publish, Subscribe, Unsubscribe
from perfuse.link.profiles import PROFILES
from perfuse.link.timeline import Ending
from perfuse.virtual.broker import VirtualBroker
from perfuse.virtual.event_queue import EventQueue
from perfuse.virtual.faults import RandomFaults
from perfuse.virtual.link import VirtualLink
from perfuse.virtual.path import Path

STEADY = replace(PROFILES["3g"], stall_every_s=0, jitter_s=0)
ENDINGS = [Ending.RESET, Ending.SILENT]


class Net:
    """A broker and clients that subscribe, as cores do, whenever they are connected."""

    def __init__(self, faults=None, ties=None):
        self.queue = EventQueue(ties)
        self.broker = VirtualBroker(self.queue, faults)
        self._rng = np.random.default_rng(1)

    def client(self, name, *filters, profile=None):
        path = Path(self.queue, profile, self._rng.spawn(1)[0])
        return Client(self, name, filters, path)

    def after(self, seconds):
        self.queue.run_until(self.queue.now_s + seconds)


class Client:
    """Remembers what its link told it."""

    def __init__(self, net, name, filters, path):
        self.path = path
        self.filters = filters
        self.got, self.tokens, self.states = [], [], []
        self._net, self._name = net, name
        self.start()

    def start(self):
        net = self._net
        (rng,) = net._rng.spawn(1)
        will = Publish(f"will/{self._name}", b"gone", retain=True)
        self.link = VirtualLink(net.queue, net.broker, self.path, self._name, will, self, rng)
        self.link.open()

    def publish(self, topic, payload, **how):
        self.link.apply(Publish(topic, payload, **how))

    @property
    def payloads(self):
        return [payload for _, payload in self.got]

    def connected(self):
        self.states.append("up")
        for topic_filter in self.filters:
            self.link.apply(Subscribe(topic_filter))

    def disconnected(self):
        self.states.append("down")

    def received(self, topic, payload):
        self.got.append((topic, payload))

    def published(self, token):
        self.tokens.append(token)


def test_late_messages_of_a_topic_keep_their_order_whatever_the_queue_does_with_ties():
    late = RandomFaults(np.random.default_rng(2), late=0.5, late_s=5.0, duplicate=0.0)
    net = Net(late, np.random.default_rng(3))
    reader, writer = net.client("r", "t"), net.client("w")
    net.after(1)
    for i in range(50):
        writer.publish("t", bytes([i]))
        net.after(0.01)
    net.after(60)
    assert reader.payloads == [bytes([i]) for i in range(50)]


def test_messages_come_in_order_and_are_acknowledged():
    net = Net()
    reader, writer = net.client("r", "t/+"), net.client("w")
    net.after(1)
    for i in range(50):
        writer.publish(f"t/{i % 3}", bytes([i]), token=f"t{i}")
    net.after(1)
    assert reader.payloads == [bytes([i]) for i in range(50)]
    assert writer.tokens == [f"t{i}" for i in range(50)]


def test_what_is_retained_comes_with_a_subscription_until_it_is_cleared():
    net = Net()
    writer = net.client("w")
    writer.publish("k/1", b"one", retain=True)
    writer.publish("k/2", b"passing")
    net.after(1)
    early = net.client("early", "k/+")
    net.after(1)
    assert early.payloads == [b"one"]
    early.link.apply(Unsubscribe("k/+"))
    writer.publish("k/1", b"", retain=True)
    net.after(1)
    late = net.client("late", "k/+")
    net.after(1)
    assert (late.got, early.payloads) == ([], [b"one"])


def test_a_message_takes_its_size_over_the_rate_and_the_delay_each_way():
    net = Net()
    reader = net.client("r", "t")
    writer = net.client("w", profile=STEADY)
    net.after(10)
    writer.publish("t", bytes(96_000), token="done")
    size_s = (4 + 3 + 2 + 96_000) * 8 / STEADY.up_bits_per_s
    net.after(size_s + STEADY.delay_s - 0.001)
    assert reader.got == []
    net.after(0.002)
    assert len(reader.got) == 1
    assert writer.tokens == []
    net.after(STEADY.delay_s)
    assert writer.tokens == ["done"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_under_way_in_a_cut_is_lost_sent_again_and_paid_twice(ending):
    net = Net()
    reader = net.client("r", "t")
    writer = net.client("w", profile=STEADY)
    net.after(10)
    before = writer.path.up.spent
    writer.publish("t", bytes(96_000), token="done")
    net.after(0.5)  # half of it has left
    writer.path.go_down(ending)
    net.after(1)
    writer.path.come_up()
    assert reader.got == []
    half = writer.path.up.spent - before
    assert half == pytest.approx(48_000, rel=0.01)
    net.after(300)
    assert [len(p) for p in reader.payloads] == [96_000]
    assert writer.tokens == ["done"]
    assert writer.states == ["up", "down", "up"]
    assert writer.path.up.spent - before - half == pytest.approx(96_000, rel=0.01)


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_comes_while_it_is_away_waits_and_the_will_says_that_it_is(ending):
    net = Net()
    watcher, writer = net.client("watch", "will/+"), net.client("w")
    reader = net.client("r", "t", profile=STEADY)
    net.after(10)
    reader.path.go_down(ending)
    net.after(59)
    assert watcher.payloads == ([b"gone"] if ending is Ending.RESET else [])
    net.after(40)
    assert watcher.payloads == [b"gone"]
    for i in range(30):
        writer.publish("t", bytes([i]))
    net.after(1)
    assert reader.got == []
    reader.path.come_up()
    net.after(200)
    assert reader.payloads == [bytes([i]) for i in range(30)]


def test_a_half_open_session_ends_when_its_client_comes_back():
    net = Net()
    watcher = net.client("watch", "will/r")
    reader = net.client("r", "t", profile=STEADY)
    net.after(10)
    reader.link.crash(Ending.SILENT)
    reader.start()
    net.after(10)
    assert reader.states == ["up", "up"]
    assert watcher.payloads == [b"gone"]
    net.after(1000)
    assert watcher.payloads == [b"gone"]


def test_a_crash_forgets_what_was_not_acknowledged_and_a_farewell_leaves_no_will():
    net = Net()
    watcher = net.client("watch", "t", "will/+")
    writer = net.client("w", profile=STEADY)
    net.after(10)
    writer.publish("t", b"lost")
    writer.link.crash()
    writer.start()
    net.after(10)
    assert watcher.payloads == [b"gone"]
    writer.link.close()
    net.after(1000)
    assert watcher.payloads == [b"gone"]


@pytest.mark.parametrize("forgets", [True, False])
def test_a_broker_that_crashes_forgets_what_its_disk_does_not_hold(forgets):
    net = Net()
    writer, reader = net.client("w"), net.client("r", "t")
    net.after(1)
    net.broker.snapshot()
    reader.link.close()
    net.after(1)
    writer.publish("t", b"acknowledged", token="yes")
    net.after(1)
    assert writer.tokens == ["yes"]
    net.broker.crash(forgets=forgets)
    net.after(30)
    assert writer.states == ["up", "down"]
    net.broker.restart()
    reader.start()
    net.after(120)
    assert reader.payloads == ([] if forgets else [b"acknowledged"])
    assert writer.states == ["up", "down", "up"]


@given(
    seed=st.integers(0, 10_000),
    cuts=st.lists(
        st.tuples(st.floats(0.1, 60), st.floats(0.1, 30), st.sampled_from(ENDINGS)), max_size=6
    ),
)
def test_at_least_once_and_in_order_whatever_is_cut(seed, cuts):
    net = Net()
    reader = net.client("r", "t", profile=STEADY)
    writer = net.client("w", profile=STEADY)
    rng = np.random.default_rng(seed)
    net.after(10)
    times = rng.random(40) * 60
    for i, at_s in enumerate(times):
        net.queue.after(float(at_s), lambda i=i: writer.publish("t", bytes([i])))
    for i, (at_s, down_s, ending) in enumerate(cuts):
        path = (reader, writer)[i % 2].path
        net.queue.after(at_s, lambda path=path, ending=ending: path.go_down(ending))
        net.queue.after(at_s + down_s, path.come_up)
    net.after(2000)
    # The first copies are complete and in order, however often something was sent again.
    firsts = list(dict.fromkeys(reader.payloads))
    assert firsts == [bytes([i]) for i in np.argsort(times).tolist()]


def test_faults_delay_and_duplicate_but_keep_a_topics_order():
    faults = RandomFaults(np.random.default_rng(3), late=0.5, late_s=5.0, duplicate=0.3)
    net = Net(faults)
    reader, writer = net.client("r", "t/+"), net.client("w")
    net.after(1)
    for i in range(100):
        writer.publish(f"t/{i % 4}", bytes([i]))
    net.after(60)
    assert set(reader.payloads) == {bytes([i]) for i in range(100)}
    assert len(reader.got) > 100
    order = [p[0] for p in reader.payloads]
    assert order != sorted(order)
    for topic in range(4):
        of_topic = [n for n in order if n % 4 == topic]
        assert of_topic == sorted(of_topic)


def test_a_timeline_takes_the_path_down_and_up():
    net = Net()
    client = net.client("c", profile=PROFILES["ward-vpn"])
    net.after(599)
    assert (client.path.is_down, client.states) == (None, ["up"])
    net.after(2)
    assert client.path.is_down is Ending.SILENT
    net.after(3600)
    assert client.path.is_down is Ending.SILENT
    assert client.states == ["up", "down", "up"]
