"""What became of a sensor's readings, as one line for the log. Pure."""

from __future__ import annotations

from dataclasses import asdict

from edge_agent.pipeline import Pipeline, PipelineCounters
from firmware_bridge.source import Source


class Census:
    """Counts one sensor from its frames to its examples.

    Nothing that is counted is fatal; a line that changes from hour to hour shows a sensor that is
    worn out, loose or too far away.
    """

    def __init__(self, source: Source, pipeline: Pipeline) -> None:
        self._source = source
        self._pipeline = pipeline
        self._said = ""

    @property
    def windows(self) -> PipelineCounters:
        """What became of the sensor's windows."""
        return self._pipeline.counters

    def news(self) -> str:
        """Return the line when it has changed since the last time, else nothing."""
        line = self.line()
        if line == self._said:
            return ""
        self._said = line
        return line

    def line(self) -> str:
        """Return every counter that is not 0, in the order of the way that a reading takes."""
        windower = self._pipeline.windower
        counters = asdict(self._source.counters)
        counters |= {} if windower is None else asdict(windower.counters)
        counters |= asdict(self._pipeline.counters)
        reasons = counters.pop("reasons")
        counters |= {f"unclean_{reason}": count for reason, count in reasons.items()}
        counted = " ".join(f"{name}={count}" for name, count in counters.items() if count)
        return f"sensor {self._source.sensor}: {counted or 'nothing yet'}"
