"""What an agent may be told of signal quality; a wrong value is named by its key and line."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from broker.settings import SettingError
from edge_agent.quality_settings import QualityChannelSettings, QualitySettings
from edge_agent.settings import AgentSettings
from firmware_bridge.quality import ChannelOverride, Reason
from perfuse.configuration import ConfigurationError, load

TOML = """\
population = "ward"
gateway = "g1"
model = "hmp-cnn1d"
state_dir = "state"

[quality]
min_score = 0.4
ignore = ["motion"]
hold_alerts = ["range"]

[[quality.channel]]
name = "x"
low = 0
high = 63
rails = [0, 63]
still_s = 2.5
"""


@pytest.mark.parametrize(
    ("cls", "values", "key"),
    [
        (QualitySettings, {"min_score": 1.5}, "quality.min_score"),
        (QualitySettings, {"min_score": math.nan}, "quality.min_score"),
        (QualitySettings, {"ignore": ("noise",)}, "quality.ignore"),
        (QualitySettings, {"hold_alerts": ("off",)}, "quality.hold_alerts"),
        (
            QualitySettings,
            {"channel": (QualityChannelSettings("x"), QualityChannelSettings("x"))},
            "quality.channel.name",
        ),
        (QualityChannelSettings, {"name": "x", "low": math.inf}, "quality.channel.low"),
        (QualityChannelSettings, {"name": "x", "low": 3, "high": 3}, "quality.channel.high"),
        (QualityChannelSettings, {"name": "x", "rails": (math.nan,)}, "quality.channel.rails"),
        (QualityChannelSettings, {"name": "x", "still_s": 0.0}, "quality.channel.still_s"),
    ],
)
def test_a_wrong_value_is_named_by_its_key(cls: type, values: dict[str, Any], key: str) -> None:
    with pytest.raises(SettingError) as caught:
        cls(**values)
    assert caught.value.key == key


def test_it_is_read_from_the_agents_file(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(TOML)
    quality = load(path, AgentSettings).quality
    assert quality.min_score == 0.4
    assert quality.counted == frozenset(Reason) - {Reason.MOTION}
    assert quality.holding == {Reason.RANGE}
    assert [channel.override() for channel in quality.channel] == [
        ChannelOverride("x", 0.0, 63.0, (0.0, 63.0), 2.5)
    ]


def test_a_wrong_reason_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(TOML.replace("motion", "movement"))
    with pytest.raises(ConfigurationError, match=r"agent.toml:8: .*'movement' is not one of range"):
        load(path, AgentSettings)


def test_what_is_ignored_holds_no_alert() -> None:
    assert QualitySettings(ignore=("flatline",)).holding == {Reason.RANGE, Reason.DUPLICATE}
    assert QualityChannelSettings("x").override() == ChannelOverride("x")
