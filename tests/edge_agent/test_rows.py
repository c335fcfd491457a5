"""Rows that are kept are the rows that would be read."""

from __future__ import annotations

import numpy as np
import pytest

from broker.protocol.messages import TrainingPlan
from edge_agent.examples import ExampleStore
from edge_agent.rows import KeptRows, StoredRows, kept, variation_of
from models.artifact import Artifact, load_artifact
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


ASKED = TrainingPlan(1, 0.05, 0.9, 0.0, rotation_deg=15.0, scaling=0.1)


def test_rows_vary_by_their_place_and_truths_stay(store: ExampleStore, artifact: Artifact) -> None:
    model = TrainableModel(artifact)
    variation = variation_of(model, ASKED, np.random.default_rng(1))
    ids = store.ids(artifact.spec.classes)[:8]
    rows = StoredRows(model, store, KNOWN, variation)
    (first, y), (again, _), (other, _) = (
        rows.batch(ids, place) for place in ((0, 1), (0, 1), (1, 1))
    )
    plain, truth = StoredRows(model, store, KNOWN).batch(ids, (0, 1))
    assert first.tolist() == again.tolist()
    assert np.abs(first - other).max() > 0.1
    assert np.abs(first - plain).max() > 0.1
    assert y.tolist() == truth.tolist()


@pytest.mark.parametrize("name", ["heart-mlp", "hmp-cnn1d", "shoulder-autoencoder"])
def test_a_table_a_count_and_an_input_that_is_the_target_do_not_vary(name: str) -> None:
    model = TrainableModel(load_artifact(name))
    assert variation_of(model, ASKED, np.random.default_rng(1)) is None


def test_rows_that_are_kept_do_not_vary_and_neither_does_what_no_plan_asks_to(
    head: PartialModel, artifact: Artifact
) -> None:
    assert variation_of(head, ASKED, np.random.default_rng(1)) is None
    plain = TrainingPlan(1, 0.05, 0.9, 0.0)
    assert variation_of(TrainableModel(artifact), plain, np.random.default_rng(1)) is None
