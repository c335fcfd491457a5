"""A real wearer's glucose, replayed as a sensor's packets: examples, training, alerts."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_agent.agent import Agent
from edge_agent.alerts import AlertLog
from edge_agent.effects import Model
from edge_agent.examples import ExampleStore, truth_of
from edge_agent.inference import candidate_of
from edge_agent.installed import InstalledFile
from edge_agent.model_fit import require_fit
from edge_agent.settings import AgentSettings
from edge_agent.sources import open_sources
from edge_agent.trainer import Trained, Trainer
from firmware_bridge.gatt.cgm import Cgm, CgmRecord, encode
from firmware_bridge.raw_recording import RawFrame, RecordingHeader
from firmware_bridge.raw_recording_file import RecordingWriter
from models.artifact import Artifact, load_artifact
from models.metrics import rmse
from models.normalisation import ChannelSums
from models.trainable import TrainableModel
from models.truth import target_values
from perfuse.configuration import load
from tests.edge_agent.test_trainer import plan

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "cgm_glucose.npz"
# Readings of two weeks with several sensor changes, and values from 64 to 250 mg/dL.
SUBJECT = 0
START_NS = 1_700_000_000 * 10**9
STEP_S = 300
LENGTH, AHEAD = 24, 6
TOML = """\
population = "ward"
gateway = "g1"
model = "glucose-forecast"
state_dir = "{folder}/state"
[broker]
url = "mqtt://127.0.0.1:9"
[window]
hop = 1
[check]
held_back = 0.0
[[sensor]]
name = "cgm"
kind = "replay"
file = "{folder}/cgm.jsonl"
speed = inf
[alert]
below = 90
above = 160
consecutive = 1
"""


@dataclass(frozen=True)
class Kept:
    """What an agent has kept of a replay: settings, the agent, and its examples, oldest first."""

    settings: AgentSettings
    agent: Agent
    starts_ns: NDArray[np.int64]
    x: NDArray[np.float32]
    y: NDArray[np.float32]

    @property
    def starts_s(self) -> NDArray[np.float64]:
        return (self.starts_ns - START_NS) / 1e9

    @property
    def state(self) -> Path:
        return Path(self.settings.state_dir)


@pytest.fixture(scope="module")
def forecast() -> Artifact:
    return load_artifact("glucose-forecast")


@pytest.fixture(scope="module")
def wearer() -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Seconds since the start, and mg/dL."""
    if not DATA.exists():
        pytest.skip("the recordings are not at hand")
    with np.load(DATA) as data:
        own = data["subject"] == SUBJECT
        times = data["t"][own]
        return times - times[0], data["glucose"][own].astype(np.float32)


@pytest.fixture(scope="module")
def kept(tmp_path_factory, wearer, forecast: Artifact) -> Kept:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("gateway")
    header = RecordingHeader("cgm", "cgm", "ble", START_NS, "0")
    with RecordingWriter(folder / "cgm.jsonl", header) as writer:
        for second, value in zip(*wearer, strict=True):
            minutes = int(second) // 60 % (14 * 24 * 60)
            packet = encode(Cgm((CgmRecord(float(value), minutes),)))
            writer.add(RawFrame(START_NS + int(second) * 10**9, "cgm", "2AA7", packet))
    path = folder / "agent.toml"
    path.write_text(TOML.format(folder=folder))
    settings = load(path, AgentSettings)
    require_fit(settings, forecast.spec)
    agent = replayed(settings, forecast)
    with closing(open_store(settings, forecast)) as store:
        x, y = store.batch(store.ids(None), ())
        starts = [row[0] for row in store._rows("SELECT start_ns FROM example ORDER BY id")]
    return Kept(settings, agent, np.array(starts), x, y)


def open_store(settings: AgentSettings, artifact: Artifact) -> ExampleStore:
    path = Path(settings.state_dir) / "examples.sqlite"
    return ExampleStore(path, artifact.spec.input_shape, 4096, truth_of(artifact.spec))


def replayed(settings: AgentSettings, artifact: Artifact) -> Agent:
    """Let an agent run until its sensor's recording is over."""
    (source,) = open_sources(settings.sensor)
    agent = Agent(settings, artifact, (source,))

    async def scenario() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(agent.run(stop))
        async with asyncio.timeout(60):
            while not source.books.delivered or source.books.balance or not source.ended:
                await asyncio.sleep(0.01)
        stop.set()
        await running

    asyncio.run(scenario())
    return agent


def test_every_window_is_accounted_for(kept: Kept) -> None:
    """Kept, unclean, without an outcome, or still waiting for it."""
    counters, windower = kept.agent._censuses[0].windows, kept.agent._censuses[0]._pipeline.windower
    assert windower is not None
    rest = windower.counters.windows - counters.kept - counters.unclean - counters.untold
    assert 0 <= rest <= AHEAD
    assert (len(kept.x), counters.misfit) == (counters.kept, 0)
    assert windower.counters.gaps > 0
    assert counters.untold > 0
    assert f"untold={counters.untold}" in kept.agent._censuses[0].line()


def test_outcomes_are_what_the_wearer_had_and_somebody_measured(kept: Kept, wearer) -> None:  # type: ignore[no-untyped-def]
    """Against an independent reading of the file."""
    times, values = wearer
    due = kept.starts_s + STEP_S * (LENGTH - 1 + AHEAD)
    assert np.allclose(kept.y[:, 0], np.interp(due, times, values), atol=1e-3)
    for k in range(LENGTH):
        expected = np.interp(kept.starts_s + STEP_S * k, times, values)
        assert np.allclose(kept.x[:, k, 0], expected, atol=1e-3)
    after = np.searchsorted(times, due - 1e-6)
    apart = np.abs(np.stack([times[after], times[after - 1]]) - due)
    assert ((apart.min(axis=0) <= STEP_S / 2) | (apart.sum(axis=0) <= 1.5 * STEP_S)).all()
    # Of what can be cut from the file where no reading is missing; some windows are unclean.
    steady = np.abs(np.diff(times) - STEP_S) <= 60
    length = LENGTH + AHEAD - 1
    possible = int((np.convolve(steady, np.ones(length), "valid") == length).sum())
    assert len(kept.x) > 0.9 * possible


def test_it_learns_from_them_and_alerts_by_what_it_has_learnt(
    kept: Kept, forecast: Artifact
) -> None:
    known = ChannelSums.of(kept.x).normalisation()
    base = forecast.initial_parameters()
    with closing(open_store(kept.settings, forecast)) as store:
        trainer = Trainer(TrainableModel(forecast), store)
        asked = plan(local_epochs=12, learning_rate=0.01)
        found = trainer.train(asked, base, known, np.random.default_rng(0))
    assert isinstance(found, Trained)
    assert found.num_examples == len(kept.x)
    model = TrainableModel(forecast)
    model.restore(base + found.delta)
    foretold = target_values(forecast.spec, known, model.infer(known.apply(kept.x)))
    # Better than to say that the last value stays.
    assert rmse(kept.y, foretold) < 0.9 * rmse(kept.y, kept.x[:, -1])

    candidate = candidate_of(forecast, Model(b"d" * 32, 1, known, model.parameters()))
    InstalledFile(kept.state / "installed.model", forecast).keep(candidate)
    replayed(kept.settings, forecast)
    with closing(open_store(kept.settings, forecast)) as store:
        assert store.trainable(None) == len(kept.x)  # the same stretch is kept once
    with closing(AlertLog(kept.state / "alerts.sqlite")) as log:
        alerts = [alert.detection for alert in log.all()]
    assert {alert.what for alert in alerts} == {"glucose+6 below 90", "glucose+6 above 160"}
    for alert in alerts:
        assert alert.score < 90 if "below" in alert.what else alert.score > 160
    by_float = dict(zip(kept.starts_ns.tolist(), foretold[:, 0], strict=True))
    pairs = [(a.score, by_float[a.start_ns]) for a in alerts if a.start_ns in by_float]
    assert len(pairs) > len(alerts) / 2
    # int8 against the float path, in mg/dL.
    assert np.abs(np.subtract(*zip(*pairs, strict=True))).max() < 6
