"""Seeds draw every kind of round, codec and fault; the same seed draws the same."""

from __future__ import annotations

from collections import Counter

from perfuse.soak.scenario import scenario_of
from perfuse.soak.schedule import FaultKind

DRAWN = [scenario_of(seed) for seed in range(200)]


def test_the_same_seed_draws_the_same():
    assert [scenario_of(seed) for seed in range(20)] == DRAWN[:20]


def test_two_of_two_hundred_are_of_full_size_and_twenty_sign_for_real():
    sizes = Counter((len(s.gateways), s.settings.rounds.rounds) for s in DRAWN)
    assert sizes[100, 20] == 2
    small = [(gateways, rounds) for gateways, rounds in sizes if gateways != 100]
    assert all(5 <= gateways <= 30 and 5 <= rounds <= 10 for gateways, rounds in small)
    assert sum(s.ed25519 for s in DRAWN) == 20


def test_rounds_of_every_kind_are_drawn():
    rounds = [s.settings.rounds for s in DRAWN]
    assert sum(s.strict for s in DRAWN) >= 30
    assert sum(r.buffer > 0 for r in rounds) >= 20
    assert sum(r.buffer == 0 and r.staleness_cap > 0 for r in rounds) >= 20
    assert sum(r.over_selection > 0 for r in rounds) >= 10
    assert len({s.settings.training.codec for s in DRAWN}) >= 6
    for strict in (s for s in DRAWN if s.strict):
        knobs = strict.settings.rounds
        assert (knobs.staleness_cap, knobs.buffer, knobs.over_selection) == (0, 0, 0)


def test_every_fault_is_drawn_and_clocks_jump_by_a_day_at_most():
    kinds = Counter(fault.kind for s in DRAWN for fault in s.faults)
    assert set(kinds) == set(FaultKind)
    jumps = [f for s in DRAWN for f in s.faults if f.kind is FaultKind.CLOCK_JUMP]
    assert jumps
    assert all(0 < abs(fault.jump_s) <= 86_400 for fault in jumps)
