"""When a gateway alerts, and that it does not forget."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from edge_agent.alerts import ANOMALY, Alert, AlertLog, AlertRule, Detection
from edge_agent.errors import StorageError
from edge_agent.settings import AlertSettings


def seen(what: str, score: float = 0.9, sensor: str = "watch", at: int = 0) -> Detection:
    return Detection(sensor, at, at + 10, what, score, 3)


def raised(settings: AlertSettings, *detections: Detection) -> list[int]:
    """Which of the detections raised an alert."""
    rule = AlertRule(settings)
    alerts = [rule.judge(detection) for detection in detections]
    for alert, detection in zip(alerts, detections, strict=True):
        assert alert is None or alert == Alert(detection)
    return [i for i, alert in enumerate(alerts) if alert is not None]


FALL = AlertSettings(classes=("fall", "seizure"), min_probability=0.8, consecutive=2)


@pytest.mark.parametrize(
    ("whats", "expected"),
    [
        (["fall"], []),
        (["fall", "fall"], [1]),
        (["fall"] * 6, [1]),
        (["fall", "walk", "fall"], []),
        (["fall", "fall", "walk", "fall", "fall"], [1, 4]),
        (["fall", "seizure", "fall", "fall"], [3]),
        (["fall", "fall", "seizure", "seizure"], [1, 3]),
        (["walk"] * 5, []),
    ],
)
def test_one_alert_when_enough_in_a_row_agree(whats: list[str], expected: list[int]) -> None:
    assert raised(FALL, *map(seen, whats)) == expected


def test_the_model_must_be_sure() -> None:
    assert raised(FALL, seen("fall", 0.8), seen("fall", 0.8)) == [1]
    assert raised(FALL, seen("fall"), seen("fall", 0.79), seen("fall")) == []


def test_sensors_are_judged_each_on_its_own() -> None:
    assert raised(FALL, seen("fall"), seen("fall", sensor="ring"), seen("fall")) == [2]


def test_nothing_alerts_by_default() -> None:
    assert raised(AlertSettings(), *[seen("fall", 1.0)] * 3, *[seen(ANOMALY, 1e9)] * 3) == []


def test_an_anomaly_alerts_above_its_score() -> None:
    settings = AlertSettings(anomaly_score=2.0, consecutive=1)
    assert raised(settings, seen(ANOMALY, 2.0), seen(ANOMALY, 2.1), seen(ANOMALY, 9)) == [1]


def test_a_forecast_alerts_beyond_its_limits_and_says_which() -> None:
    rule = AlertRule(AlertSettings(below=70.0, above=180.0, consecutive=2))
    scores = (69.9, 69, 68, 70, 181, 65, 60, 180, 180.5, 181)
    alerts = [rule.judge(seen("glucose+6", score)) for score in scores]
    said = {i: alert.detection.what for i, alert in enumerate(alerts) if alert is not None}
    # A value too low after one too high begins a row of its own.
    assert said == {1: "glucose+6 below 70", 6: "glucose+6 below 70", 9: "glucose+6 above 180"}
    assert alerts[6] == Alert(seen("glucose+6 below 70", 60))


def test_one_limit_is_enough_and_0_is_one() -> None:
    assert raised_by(AlertSettings(above=0.0, consecutive=1), -1.0, 0.0, 0.5) == [2]
    assert raised_by(AlertSettings(below=0.0, consecutive=1), -1.0, 0.0, 0.5) == [0]


def raised_by(settings: AlertSettings, *values: float) -> list[int]:
    rule = AlertRule(settings)
    found = [rule.judge(seen("glucose+6", value)) for value in values]
    return [i for i, alert in enumerate(found) if alert is not None]


def test_alerts_are_there_after_a_restart(tmp_path: Path) -> None:
    alerts = [Alert(seen("fall", 0.9, at=at)) for at in (5, 1)]
    with closing(AlertLog(tmp_path / "alerts")) as log:
        for alert in alerts:
            log.add(alert)
    with closing(AlertLog(tmp_path / "alerts")) as log:
        assert log.all() == alerts


def test_the_newest_alerts_are_kept(tmp_path: Path) -> None:
    with closing(AlertLog(tmp_path / "alerts", capacity=2)) as log:
        for what in ("a", "b", "c"):
            log.add(Alert(seen(what)))
        assert log.all() == [Alert(seen("b")), Alert(seen("c"))]


def test_a_corrupt_file_is_mended(tmp_path: Path) -> None:
    (tmp_path / "alerts").write_bytes(b"not a database, whatever its name says" * 40)
    with closing(AlertLog(tmp_path / "alerts")) as log:
        log.add(Alert(seen("fall")))
        assert log.all() == [Alert(seen("fall"))]


def test_a_full_disk_is_a_storage_error(tmp_path: Path) -> None:
    with closing(AlertLog(tmp_path / "alerts")) as log:
        (pages,) = log._db.execute("PRAGMA page_count").fetchone()
        log._db.execute(f"PRAGMA max_page_count={pages}")
        with pytest.raises(StorageError, match="full"):
            log.add(Alert(seen("f" * 100_000)))
        assert log.all() == []
