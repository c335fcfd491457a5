"""Rebuilds the artifacts that ship with perfuse: `python -m models.build.zoo [DIR]`."""

from __future__ import annotations

import sys
from pathlib import Path

from models.build.artifact import build_artifact
from models.build.zoo_requests import zoo_requests

if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "zoo"
    for request in zoo_requests(target):
        spec = build_artifact(request)
        sys.stdout.write(f"{spec.name}: {spec.parameters} parameters\n")
