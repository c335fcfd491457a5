"""Errors of the models package.

ModelError
├── SpecError          a spec file is not what format 1 says; names the file and the field
├── ArtifactError      a file of an artifact is missing, altered or will not load
├── ParameterError     an array or a setting handed to a model does not fit it
├── RequestError       what the builder was asked for cannot be built; names the field
└── RuntimeMissingError  neither TFLite runtime is installed
"""

from __future__ import annotations

from pathlib import Path


class ModelError(Exception):
    """Root of everything that models raises on purpose."""


class SpecError(ModelError):
    """`field` of the spec at `path` is missing, unknown or wrong; `path` is None for text."""

    def __init__(self, path: Path | None, field: str, reason: str) -> None:
        super().__init__(f"{path or 'model spec'}: {field}: {reason}")
        self.path = path
        self.field = field
        self.reason = reason


class ArtifactError(ModelError):
    """The file or folder at `path` is not a usable part of an artifact."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class ParameterError(ModelError):
    """An array or a setting does not fit the model: ours to fix, nothing was changed."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RequestError(ModelError):
    """`field` of a build request cannot be honoured."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class RuntimeMissingError(ModelError):
    """None of the runtimes in `tried` can be imported."""

    def __init__(self, tried: tuple[str, ...]) -> None:
        super().__init__(f"no TFLite runtime is installed (tried {', '.join(tried)})")
        self.tried = tried
