"""Errors of the aggregator.

AggregatorError
├── RoundError      a round was asked to do what its state does not allow: a bug on this side
└── StateError      the state on disk cannot be gone on from
    └── ForeignStateError  it is of another population, model or version of perfuse
"""

from __future__ import annotations


class AggregatorError(Exception):
    """Root of every error that broker.aggregator raises on purpose."""


class RoundError(AggregatorError):
    """A transition that the round's state does not allow."""


class StateError(AggregatorError):
    """State on disk that this aggregator cannot go on from.

    Attributes:
        path: the database file.
        reason: what does not fit.
    """

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = str(path)
        self.reason = reason


class ForeignStateError(StateError):
    """State of another population, model or version: starting again does not help."""
