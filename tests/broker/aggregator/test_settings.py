"""What an aggregator may be told; a wrong value is named by its key."""

from __future__ import annotations

import math
from typing import Any

import pytest

from broker.aggregator.settings import (
    AggregatorSettings,
    LinkCodecSettings,
    RoundSettings,
    ServiceSettings,
    TierSettings,
    TrainingSettings,
)
from broker.settings import SettingError


@pytest.mark.parametrize(
    ("cls", "values", "key"),
    [
        (RoundSettings, {"rounds": -1}, "rounds.rounds"),
        (RoundSettings, {"cohort": 20_001}, "rounds.cohort"),
        (RoundSettings, {"min_gateways": 0}, "rounds.min_gateways"),
        (RoundSettings, {"min_reports": 0}, "rounds.min_reports"),
        (RoundSettings, {"min_reports": 3, "min_gateways": 2}, "rounds.min_reports"),
        (RoundSettings, {"cohort": 1}, "rounds.min_reports"),
        (RoundSettings, {"deadline_s": 0.5}, "rounds.deadline_s"),
        (RoundSettings, {"deadline_s": math.nan}, "rounds.deadline_s"),
        (RoundSettings, {"min_examples": 0}, "rounds.min_examples"),
        (TrainingSettings, {"local_epochs": 0}, "training.local_epochs"),
        (TrainingSettings, {"learning_rate": 0.0}, "training.learning_rate"),
        (TrainingSettings, {"learning_rate": math.inf}, "training.learning_rate"),
        (TrainingSettings, {"schedule": "linear"}, "training.schedule"),
        (TrainingSettings, {"momentum": 1.0}, "training.momentum"),
        (TrainingSettings, {"mu": -0.1}, "training.mu"),
        (TrainingSettings, {"rotation_deg": 181}, "training.rotation_deg"),
        (TrainingSettings, {"scaling": -0.1}, "training.scaling"),
        (TrainingSettings, {"server_momentum": 1.0}, "training.server_momentum"),
        (TrainingSettings, {"codec": "zip"}, "training.codec"),
        (AggregatorSettings, {"population": "a/b"}, "population"),
        (AggregatorSettings, {"population": "p", "chunk_bytes": 128 * 1024}, "chunk_bytes"),
        (AggregatorSettings, {"population": "p", "seed": -1}, "seed"),
    ],
)
def test_a_wrong_value_is_named_by_its_key(cls: type, values: dict[str, Any], key: str) -> None:
    with pytest.raises(SettingError) as caught:
        cls(**values)
    assert caught.value.key == key
    assert key in str(caught.value)


def test_a_services_settings_are_checked_as_the_cores_are() -> None:
    with pytest.raises(SettingError, match="chunk_bytes"):
        ServiceSettings("p", "m", "s", chunk_bytes=1)
    service = ServiceSettings("p", "m", "s", chunk_bytes=512, seed=3)
    assert service.core() == AggregatorSettings("p", chunk_bytes=512, seed=3)


def test_the_cosine_schedule_falls_to_a_twentieth_and_stays() -> None:
    training = TrainingSettings(learning_rate=0.1)
    rates = [training.learning_rate_at(done, 10) for done in range(12)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[11] == pytest.approx(0.005)
    assert rates[:10] == sorted(rates[:10], reverse=True)


@pytest.mark.parametrize("rounds", [0, 1])
def test_without_an_end_the_rate_is_constant(rounds: int) -> None:
    assert TrainingSettings(learning_rate=0.1).learning_rate_at(5, rounds) == 0.1
    assert TrainingSettings(learning_rate=0.1, schedule="constant").learning_rate_at(5, 9) == 0.1


@pytest.mark.parametrize(
    ("tiers", "key"),
    [
        ([("a", "half")], "training.tiers.mode"),
        ([("a/b", "head")], "training.tiers.tier"),
        ([("a", "head"), ("a", "full")], "training.tiers"),
        ([(f"t{n}", "head") for n in range(17)], "training.tiers"),
    ],
)
def test_tiers_that_cannot_be_are_named(tiers: list[tuple[str, str]], key: str) -> None:
    with pytest.raises(SettingError) as caught:
        TrainingSettings(tiers=tuple(TierSettings(*found) for found in tiers))
    assert caught.value.key == key


@pytest.mark.parametrize(
    ("links", "key"),
    [
        ([("a", "zip")], "training.links.codec"),
        ([("a/b", "q8")], "training.links.link"),
        ([("a", "q8"), ("a", "q4")], "training.links"),
        ([(f"t{n}", "q8") for n in range(17)], "training.links"),
    ],
)
def test_links_that_cannot_be_are_named(links: list[tuple[str, str]], key: str) -> None:
    with pytest.raises(SettingError) as caught:
        TrainingSettings(links=tuple(LinkCodecSettings(*found) for found in links))
    assert caught.value.key == key
