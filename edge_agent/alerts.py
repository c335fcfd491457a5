"""Local alerts: the rule (pure), and the durable list of what was raised."""

from __future__ import annotations

from dataclasses import dataclass
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
        what: the predicted class, or ``"anomaly"`` for an autoencoder.
        score: the class's probability (raw score for svm), or the reconstruction error.
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
        if not self.alarming(detection):
            self._streaks.pop(detection.sensor, None)
            return None
        what, length = self._streaks.get(detection.sensor, (detection.what, 0))
        length = length + 1 if what == detection.what else 1
        self._streaks[detection.sensor] = (detection.what, length)
        return Alert(detection) if length == self._settings.consecutive else None

    def alarming(self, detection: Detection) -> bool:
        """Whether enough such detections in a row are worth an alert."""
        if detection.what == ANOMALY:
            return 0 < self._settings.anomaly_score < detection.score
        sure = detection.score >= self._settings.min_probability
        return sure and detection.what in self._settings.classes


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
