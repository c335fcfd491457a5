"""Local alerts: the rule (pure), and the durable list of what was raised."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from edge_agent.settings import AlertSettings
from edge_agent.storage import open_state, storing, writing

_SCHEMA = """
CREATE TABLE IF NOT EXISTS alert (
    id INTEGER PRIMARY KEY, sensor TEXT NOT NULL, start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL, what TEXT NOT NULL, score REAL NOT NULL, version INTEGER NOT NULL);
"""
ANOMALY = "anomaly"


@dataclass(frozen=True, slots=True)
class Detection:
    """What the model said of one window.

    Attributes:
        what: the predicted class, ``"anomaly"`` for an autoencoder, or a forecast's target; in an
            alert of a forecast also which limit was passed.
        score: the class's probability (raw score for svm), the reconstruction error, or the
            predicted value.
        version: of the model that said so.
    """

    sensor: str
    start_ns: int
    end_ns: int
    what: str
    score: float
    version: int


@dataclass(frozen=True, slots=True)
class Alert:
    """An event for the people on site: ``detection`` is the one that completed it."""

    detection: Detection


class AlertRule:
    """Raises one alert when enough detections in a row agree, and none again until they stop."""

    def __init__(self, settings: AlertSettings) -> None:
        self._settings = settings
        self._streaks: dict[str, tuple[str, int]] = {}

    def judge(self, detection: Detection) -> Alert | None:
        """Take the next detection of a sensor."""
        cause = self.cause(detection)
        if not cause:
            self._streaks.pop(detection.sensor, None)
            return None
        what, length = self._streaks.get(detection.sensor, (cause, 0))
        length = length + 1 if what == cause else 1
        self._streaks[detection.sensor] = (cause, length)
        return (
            Alert(replace(detection, what=cause)) if length == self._settings.consecutive else None
        )

    def cause(self, detection: Detection) -> str:
        """Why enough such detections in a row are worth an alert; empty where they are not."""
        if self._settings.below is not None or self._settings.above is not None:
            return self._passed(detection)
        if detection.what == ANOMALY:
            return ANOMALY if 0 < self._settings.anomaly_score < detection.score else ""
        sure = detection.score >= self._settings.min_probability
        return detection.what if sure and detection.what in self._settings.classes else ""

    def _passed(self, detection: Detection) -> str:
        below, above = self._settings.below, self._settings.above
        if below is not None and detection.score < below:
            return f"{detection.what} below {below:g}"
        if above is not None and detection.score > above:
            return f"{detection.what} above {above:g}"
        return ""


class AlertLog:
    """The newest ``capacity`` alerts that were raised, durable before anyone is told.

    Raises:
        StorageError: the file cannot be opened. From every method: it is corrupt, or the disk is
            full or failing.
    """

    def __init__(self, path: Path | str, capacity: int = 100_000) -> None:
        self._path = str(path)
        self._capacity = capacity
        self._db, _ = open_state(path, _SCHEMA)

    def add(self, alert: Alert) -> None:
        """Write an alert."""
        d = alert.detection
        with writing(self._path, self._db):
            self._db.execute(
                "INSERT INTO alert (sensor, start_ns, end_ns, what, score, version) "
                "VALUES (?,?,?,?,?,?)",
                (d.sensor, d.start_ns, d.end_ns, d.what, d.score, d.version),
            )
            self._db.execute(
                "DELETE FROM alert WHERE id <= (SELECT MAX(id) FROM alert) - ?", (self._capacity,)
            )

    def all(self) -> list[Alert]:
        """Return every alert, oldest first."""
        with storing(self._path):
            rows = self._db.execute(
                "SELECT sensor, start_ns, end_ns, what, score, version FROM alert ORDER BY id"
            ).fetchall()
        return [Alert(Detection(*row)) for row in rows]

    def close(self) -> None:
        """Close the file."""
        self._db.close()
