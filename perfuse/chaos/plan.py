"""Which cells are run, in which order, and what is left out on this machine and why."""

from __future__ import annotations

import os
from collections.abc import Iterable

import numpy as np

from perfuse.chaos.cells import Cell, Fault, matrix


def impossible() -> dict[Fault, str]:
    """Return the faults that cannot be made here, and what is missing for them."""
    found = {}
    if os.geteuid() != 0:
        found[Fault.FULL_DISK] = "a disk of one's own can only be mounted by root"
    return found


def schedule(faults: Iterable[Fault], kills: int, seed: int) -> list[Cell]:
    """Return every cell of these faults, again and again in another order, for ``kills`` kills.

    At least once each; a fault that kills nobody comes as often as the others.
    """
    wanted = [cell for cell in matrix() if cell.fault in set(faults)]
    generator = np.random.default_rng(seed)
    cells: list[Cell] = []
    while not cells or 0 < sum(cell.fault.kills for cell in cells) < kills:
        cells += [wanted[i] for i in generator.permutation(len(wanted))]
    return cells
