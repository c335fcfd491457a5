"""What an agent cannot run is refused at the start, by file, line and key."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from broker.settings import SettingError
from edge_agent.model_fit import require_fit
from edge_agent.settings import AgentSettings, AlertSettings
from models.artifact import load_artifact, zoo_names
from models.spec import Target
from perfuse.cli import main
from perfuse.exit_codes import ExitCode

TOML = """\
population = "ward"
gateway = "g1"
state_dir = "state"
model = "{model}"

[alert]
consecutive = 1
{alert}
"""
IMAGES = {"digits-cnn2d", "shapes-unet"}


@pytest.mark.parametrize(
    ("model", "alert", "said"),
    [
        ("shapes-unet", "", ":4: model: shapes-unet is a segmentation: no sensor of an agent"),
        ("digits-cnn2d", "", ":4: model: digits-cnn2d takes images, which no sensor"),
        ("shoulder-cnn1d", 'classes = ["PEN", "FALL"]', ":8: alert.classes: the model has no "
         "class 'FALL'; it has "),
        ("glucose-forecast", 'classes = ["PEN"]', ":8: alert.classes: the model is a regression, "
         "it has no classes"),
        ("glucose-forecast", "anomaly_score = 2", ":8: alert.anomaly_score: the model is a "
         "regression, it scores no anomalies"),
        ("shoulder-cnn1d", "below = 70", ":8: alert.below: the model is a classification, it "
         "forecasts no value"),
        ("shoulder-autoencoder", "above = 70", ":8: alert.above: the model is a reconstruction"),
        ("glucose-forecast", "below = 180\nabove = 70", ":9: alert.above: 70 is not above below, "
         "180"),
        ("glucose-forecast", 'below = "low"', ":8: alert.below: expected a number, found a text"),
        ("glucose-forecast", "bellow = 70", ":8: unknown key 'alert.bellow'; did you mean 'below'"),
    ],
)  # fmt: skip
def test_what_does_not_suit_the_model_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], model: str, alert: str, said: str
) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(TOML.format(model=model, alert=alert))
    assert main(["agent", "--config", str(path), "--check"]) == ExitCode.CONFIG
    assert f"{path}{said}" in capsys.readouterr().err


@pytest.mark.parametrize("name", sorted(set(zoo_names()) - IMAGES))
def test_every_other_model_that_ships_runs_on_an_agent(name: str) -> None:
    spec = load_artifact(name).spec
    alert = AlertSettings(below=70.0, above=180.0) if spec.targets else AlertSettings(spec.classes)
    require_fit(AgentSettings("ward", "g1", name, "state", alert=alert), spec)


@pytest.mark.parametrize(
    ("model", "changes", "said"),
    [
        ("shoulder-cnn1d", {"rate_hz": None}, "no rate_hz"),
        ("glucose-forecast", {"input_shape": (1,)}, "single readings"),
    ],
)
def test_a_model_that_no_stream_fits_is_refused(model: str, changes: dict, said: str) -> None:
    spec = replace(load_artifact(model).spec, **changes)
    with pytest.raises(SettingError, match=said) as caught:
        require_fit(AgentSettings("ward", "g1", model, "state"), spec)
    assert caught.value.key == "model"


def test_limits_are_for_a_single_target() -> None:
    spec = load_artifact("glucose-forecast").spec
    spec = replace(spec, targets=(*spec.targets, Target("glucose+3", "glucose", 3)))
    settings = AgentSettings("ward", "g1", "m", "state", alert=AlertSettings(below=70.0))
    with pytest.raises(SettingError, match=r"glucose\+6, glucose\+3"):
        require_fit(settings, spec)
