"""The documentation names every key and every sub-command, and links to files that exist."""

from __future__ import annotations

import dataclasses
import re
import typing
from pathlib import Path

import pytest

from broker.aggregator.settings import ServiceSettings
from edge_agent.settings import AgentSettings

ROOT = Path(__file__).parents[2]


def keys(cls):
    """Yield (table, key) of a settings dataclass, nested ones too."""
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        hint = hints[field.name]
        inner = typing.get_args(hint)[0] if typing.get_origin(hint) is tuple else hint
        if dataclasses.is_dataclass(inner):
            yield from keys(inner)
        else:
            yield field.name


@pytest.mark.parametrize("cls", [AgentSettings, ServiceSettings])
def test_every_key_is_documented(cls):
    text = (ROOT / "docs" / "configuration.md").read_text()
    documented = set(re.findall(r"`([a-z_]+)`", text))
    assert set(keys(cls)) <= documented


def test_files_that_the_readme_names_exist():
    text = (ROOT / "README.md").read_text()
    named = set(re.findall(r"(?:docs|examples)/[\w./-]*\w", text))
    missing = [name for name in named if not (ROOT / name).exists()]
    assert not missing


def test_benchmarks_that_the_readme_names_exist():
    text = (ROOT / "README.md").read_text()
    named = re.findall(r"`(\w+\.py)`", text)
    assert named
    assert all((ROOT / "benchmarks" / name).exists() for name in named)
