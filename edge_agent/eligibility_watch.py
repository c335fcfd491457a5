"""Looks now and then whether anything stands in the way of taking part."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from edge_agent.eligibility import Circumstances, EligibilitySettings, Obstacle, obstacles
from edge_agent.machine import Machine
from edge_agent.pipeline import PipelineCounters

# At one look every ten seconds: the windows of the last hour.
_LOOKS = 360


class EligibilityWatch:
    """Puts together how the gateway is, and judges it.

    Args:
        settings: what is asked of it.
        machine: what it runs on.
        kept_unix_s: when the newest example was kept; 0 when there is none.
    """

    def __init__(
        self, settings: EligibilitySettings, machine: Machine, kept_unix_s: float = 0.0
    ) -> None:
        self._settings = settings
        self._machine = machine
        self._kept_unix_s = kept_unix_s
        self._windows: deque[tuple[int, int]] = deque([(0, 0)], maxlen=_LOOKS)

    def kept(self, now: float) -> None:
        """An example was kept at Unix time ``now``."""
        self._kept_unix_s = now

    def look(
        self,
        now: float,
        *,
        examples: int,
        training: bool,
        windows: Iterable[PipelineCounters],
        budget_left_bytes: int | None = None,
    ) -> tuple[Obstacle, ...]:
        """Return what stands in the way at Unix time ``now``.

        Args:
            examples: that can be trained on.
            training: whether the gateway trains, so that this load is its own.
            windows: counters of the sensors' windows.
            budget_left_bytes: that may still be exchanged today, if there is a limit.
        """
        settings, machine = self._settings, self._machine
        local = time.localtime(now)
        return obstacles(
            settings,
            Circumstances(
                mains=machine.mains(),
                battery_percent=machine.battery_percent(),
                temperature_c=machine.temperature_c() if settings.max_temperature_c else None,
                load=_others_load(machine.load(), training),
                link=machine.link() if settings.links else None,
                minute_of_day=local.tm_hour * 60 + local.tm_min,
                examples=examples,
                newest_example_age_s=now - self._kept_unix_s if self._kept_unix_s else None,
                clean_share=self._clean_share(windows),
                consent=not settings.consent_file or Path(settings.consent_file).exists(),
                budget_left_bytes=budget_left_bytes,
            ),
        )

    def _clean_share(self, windows: Iterable[PipelineCounters]) -> float | None:
        totals = [(counters.kept, counters.unclean) for counters in windows]
        kept, unclean = (sum(column) for column in zip(*totals, strict=True)) if totals else (0, 0)
        self._windows.append((kept, unclean))
        clean, spoilt = kept - self._windows[0][0], unclean - self._windows[0][1]
        return clean / (clean + spoilt) if clean + spoilt else None


def _others_load(load: float | None, training: bool) -> float | None:
    if load is None or not training:
        return load
    return max(0.0, load - 1 / (os.cpu_count() or 1))
