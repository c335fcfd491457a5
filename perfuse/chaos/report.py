"""What was found, for people and for machines. Pure."""

from __future__ import annotations

from typing import Any

from perfuse.chaos.cells import Cell, Outcome, matrix

FIGURES = ("lost", "double", "lost_rounds")


def totals(outcomes: list[Outcome]) -> dict[str, int]:
    """Return the sums of what was lost or counted twice, and how many cells had a flaw."""
    sums = {name: sum(getattr(o, name) for o in outcomes) for name in FIGURES}
    return sums | {"flawed": sum(bool(o.note) for o in outcomes)}


def as_json(
    outcomes: list[Outcome], *, seed: int, broker: str, kills: int, left_out: dict[str, str]
) -> dict[str, Any]:
    """Return the report: every cell with its runs, and the totals."""
    return {
        "seed": seed,
        "broker": broker,
        "runs": len(outcomes),
        "kills": kills,
        "left_out": left_out,
        "totals": totals(outcomes),
        "cells": [row for cell in matrix() if (row := _row(cell, outcomes))],
    }


def _row(cell: Cell, outcomes: list[Outcome]) -> dict[str, Any]:
    found = [outcome for outcome in outcomes if outcome.cell == cell]
    if not found:
        return {}
    times = sorted(round(outcome.recovery_s, 2) for outcome in found)
    return {
        "fault": str(cell.fault),
        "phase": str(cell.phase),
        "runs": len(found),
        **{name: sum(getattr(outcome, name) for outcome in found) for name in FIGURES},
        "recovery_s": {"median": times[len(times) // 2], "max": times[-1]},
        "notes": [outcome.note for outcome in found if outcome.note],
        "evidence": [line for outcome in found for line in outcome.evidence],
    }
