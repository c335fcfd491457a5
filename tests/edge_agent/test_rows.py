"""Rows that are kept are the rows that would be read."""

from __future__ import annotations

import numpy as np
import pytest

from edge_agent.examples import ExampleStore
from edge_agent.rows import KeptRows, StoredRows, kept
from models.artifact import Artifact
from models.normalisation import Normalisation
from models.partial import PartialModel
from models.spec import HEAD
from models.trainable import TrainableModel

KNOWN = Normalisation((5.0,) * 6, (1.5,) * 6)


@pytest.fixture
def head(artifact: Artifact) -> PartialModel:
    mode = artifact.spec.mode(HEAD)
    assert mode is not None
    return PartialModel(artifact, mode)


def test_kept_rows_are_those_that_would_be_read(
    head: PartialModel, store: ExampleStore, artifact: Artifact
) -> None:
    read = StoredRows(head, store, KNOWN)
    ids = store.ids(artifact.spec.classes)
    rows = kept(read, ids)
    assert isinstance(rows, KeptRows)
    some = np.random.default_rng(0).permutation(ids)[:20]
    for kept_part, read_part in zip(rows.batch(some), read.batch(np.sort(some)), strict=True):
        order = np.argsort(some)
        assert kept_part[order].tolist() == read_part.tolist()


def test_what_is_gone_or_trained_whole_is_read_every_time(
    head: PartialModel, store: ExampleStore, artifact: Artifact
) -> None:
    ids = store.ids(artifact.spec.classes)
    read = StoredRows(head, store, KNOWN)
    assert kept(read, np.append(ids, 10**6)) is read
    whole = StoredRows(TrainableModel(artifact), store, KNOWN)
    assert kept(whole, ids) is whole
    assert kept(read, ids[:0]) is read
