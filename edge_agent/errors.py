"""Errors of the agent.

AgentError
├── StorageError           a file of the gateway's state cannot be opened, read or written
│   └── ForeignStateError  it is of another gateway, model or version of perfuse
└── TrainingError          local training cannot give a delta
"""

from __future__ import annotations


class AgentError(Exception):
    """Root of every error that edge_agent raises on purpose."""


class StorageError(AgentError):
    """A state file that cannot be used.

    Attributes:
        path: the file.
        reason: what the operating system or the database said.
        corrupt: whether the file itself is damaged: only opening it anew mends that. Otherwise,
            as on a full disk, trying again later may do.
    """

    def __init__(self, path: object, reason: str, *, corrupt: bool = False) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = str(path)
        self.reason = reason
        self.corrupt = corrupt


class ForeignStateError(StorageError):
    """A state file of another gateway, model or version: starting again does not help."""


class TrainingError(AgentError):
    """Training that gave nothing to send: too few examples, or a loss that is not finite."""
