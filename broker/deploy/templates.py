"""The configuration files beside this module, with ports and directories written in."""

from __future__ import annotations

import re
from pathlib import Path

_FILES = Path(__file__).parent
_PLACE = re.compile(r"@([A-Z_]+)@")


def filled(file: str, /, **places: object) -> str:
    """Return a file of ``broker/deploy/`` with each ``@PLACE@`` replaced.

    Raises:
        KeyError: a place in the file was not given.
    """
    text = (_FILES / file).read_text(encoding="utf-8")
    return _PLACE.sub(lambda found: str(places[found[1].lower()]), text)
