"""What a seed stands for: a federation, its links and what goes wrong. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from broker.aggregator.settings import AggregatorSettings, RoundSettings, TrainingSettings
from perfuse.link.profiles import PROFILES
from perfuse.soak.schedule import Fault, Weather, faults_of

POPULATION = "soak"
# One seed in so many is of full size, and one in so many has real signatures.
FULL_SIZE_EVERY = 100
ED25519_EVERY = 10
_FULL_GATEWAYS, _FULL_ROUNDS, _FULL_PARAMETERS = 100, 20, 4096
_LINKS = (None, None, None, "wifi", "4g", "3g", "ambulance")
# Dense and sparse, exact and lossy, with and without error feedback.
_CODECS = (
    "none",
    "none",
    "q8",
    "clip=1|rotate|q4",
    "residual|topk=0.1|sign|golomb",
    "residual|randk=0.2|q2",
    "topk=0.05|ternary|golomb",
)
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """A run, whole: the same scenario always makes the same run.

    Attributes:
        seed: that it was drawn from.
        settings: of the aggregator.
        parameters: P, of the model.
        statistics: whether the first round asks for sums.
        examples: of each gateway, by its name.
        strict: every round waits for every gateway that it has asked, so that nothing may be lost.
        declines: how often a gateway cannot do its work.
        step_ms: what a training step takes.
        link: profile of the gateways' links; ``None`` takes no time.
        late, late_s, duplicate: what happens to messages; see
            :class:`perfuse.virtual.faults.RandomFaults`.
        snapshot_s: how often the broker writes what it remembers.
        tick_s: how often time passes for a gateway's core.
        room_bytes: what a gateway's journal may hold.
        ed25519: whether signatures are real.
        faults: what goes wrong.
    """

    seed: int
    settings: AggregatorSettings
    parameters: int
    statistics: bool
    examples: dict[str, int]
    strict: bool
    declines: float
    step_ms: float
    link: str | None
    late: float
    late_s: float
    duplicate: float
    snapshot_s: float
    tick_s: float
    room_bytes: int
    ed25519: bool
    faults: tuple[Fault, ...]

    @property
    def gateways(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(self.examples)


def scenario_of(seed: int, *, size: tuple[int, int] | None = None) -> Scenario:
    """Draw what a seed stands for.

    Args:
        seed: of everything.
        size: gateways and rounds; by default 5 to 30 and 5 to 10, and in one seed of
            ``FULL_SIZE_EVERY`` 100 and 20.
    """
    rng = np.random.default_rng((seed, 0x50A4))
    full = seed % FULL_SIZE_EVERY == 0
    count, rounds = size or _size(rng, full=full)
    strict = bool(rng.random() < 0.3)
    examples = {f"gw-{i:03d}": int(rng.integers(32, 400)) for i in range(count)}
    parameters = _FULL_PARAMETERS if full else int(rng.integers(64, 513))
    link = _LINKS[rng.integers(len(_LINKS))]
    step_ms = float(10 ** rng.uniform(0.5, 3.0))
    messy = rng.random() < 0.6
    expected_s = rounds * (8.0 + 13 * step_ms / 1000)
    weather = Weather(
        faults=int(rounds * rng.uniform(0.3, 2.5) * (1 + count / 25)),
        until_s=expected_s,
        longest_s=float(rng.choice([5.0, 30.0, 120.0])),
        clocks=_DAY_S if rng.random() < 0.5 else 0.0,
    )
    return Scenario(
        seed=seed,
        settings=AggregatorSettings(
            POPULATION,
            _rounds(rng, count, rounds, _strict_start(link, count) if strict else None),
            TrainingSettings(
                codec=str(rng.choice(_CODECS)),
                scaffold=bool(rng.random() < 0.3),
                server_momentum=float(rng.choice([0.0, 0.9])),
            ),
            chunk_bytes=int(rng.choice([512, 1024, 4096])) * (8 if full else 1),
            seed=seed,
        ),
        parameters=parameters,
        statistics=bool(rng.random() < 0.3),
        examples=examples,
        strict=strict,
        declines=0.0 if strict else float(rng.choice([0.0, 0.05])),
        step_ms=step_ms,
        link=link,
        late=0.2 if messy else 0.0,
        late_s=float(rng.uniform(0.1, 20.0)),
        duplicate=0.1 if messy else 0.0,
        snapshot_s=float(rng.choice([5.0, 30.0, 300.0])),
        tick_s=float(rng.choice([1.0, 5.0, 10.0])),
        room_bytes=int(rng.choice([1 << 26, 4 * parameters + 64])),
        ed25519=seed % ED25519_EVERY == 1,
        faults=faults_of(rng, tuple(examples), weather),
    )


def _size(rng: np.random.Generator, *, full: bool) -> tuple[int, int]:
    """Return gateways and rounds; small ones are the more frequent, for they find as much."""
    drawn = 5 + int(26 * rng.random() ** 3), 5 + int(6 * rng.random() ** 2)
    return (_FULL_GATEWAYS, _FULL_ROUNDS) if full else drawn


def _strict_start(link: str | None, gateways: int) -> int:
    """Return for how many gateways a strict round waits before it opens.

    All those of a link that outages take away one by one are hardly ever there at once.
    """
    return gateways if link is None else PROFILES[link].min_gateways(gateways)


def _rounds(
    rng: np.random.Generator, gateways: int, rounds: int, strict_start: int | None
) -> RoundSettings:
    """Draw knobs of the scheduler: synchronous, semi-synchronous or asynchronous rounds."""
    cohort = int(rng.choice([0, max(2, gateways // 2)]))
    asked = cohort or gateways
    if strict_start is not None:
        start = min(asked, strict_start)
        return RoundSettings(rounds, cohort, start, start, 30 * _DAY_S, min_examples=1)
    minimum = int(rng.integers(1, max(2, asked // 2)))
    buffer = int(rng.choice([0, 0, minimum + gateways // 4]))
    return RoundSettings(
        rounds=rounds,
        min_examples=1,
        backoff_s=float(rng.choice([1.0, 5.0])),
        cohort=cohort,
        min_gateways=max(minimum, asked // 2),
        min_reports=minimum,
        deadline_s=float(rng.choice([20.0, 60.0, 300.0])),
        over_selection=float(rng.choice([0.0, 0.3])) if cohort else 0.0,
        buffer=buffer,
        staleness_cap=int(rng.choice([1, 3, 10] if buffer else [0, 1, 3])),
        staleness_power=float(rng.choice([0.0, 0.5, 1.0])),
        max_uploads=int(rng.choice([1000, max(1, gateways // 4)])),
    )
