"""Memory by reachability: each object once, views with what they are views of."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np

from perfuse.soak.reach import reachable_bytes


@dataclass(slots=True)
class Holder:
    thing: object


def test_what_is_held_counts_once_however_often_it_is_held():
    blob = bytes(10_000)
    once, twice = reachable_bytes(Holder([blob])), reachable_bytes(Holder([blob, blob]))
    assert 10_000 < once < twice < once + 100


def test_a_view_holds_its_whole_array():
    assert reachable_bytes(Holder(np.zeros(5000)[:1])) > 40_000


def test_what_is_left_out_is_not_entered():
    log = [bytes(10_000)]
    holder = Holder(log)
    assert reachable_bytes(holder, but=(log,)) == sys.getsizeof(holder)


def test_a_generator_holds_its_locals():
    def numbers(blob):
        yield 1
        yield len(blob)

    generator = numbers(bytes(10_000))
    next(generator)
    assert reachable_bytes(generator) > 10_000
