"""What a command says when an extra that it needs is not installed."""

from __future__ import annotations


class MissingExtraError(Exception):
    """An optional dependency that this command cannot do without.

    Attributes:
        extra: name of the extra that brings it.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} is not installed; get it with: pip install 'perfuse[{extra}]'")
        self.extra = extra
