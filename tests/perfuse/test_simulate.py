"""Simulations: the report, its determinism, and what it says of wrong data."""

from __future__ import annotations

import json

import numpy as np
import pytest

from broker.aggregator.settings import LinkCodecSettings, TrainingSettings
from models.artifact import load_artifact
from perfuse.cli import main
from perfuse.exit_codes import ExitCode
from perfuse.simulation.dataset import DatasetError, load_dataset, split_clients
from perfuse.simulation.run import SimulationOptions, simulate
from perfuse.simulation.scheduling import Scheduling, Timing

ROW_KEYS = {
    "version",
    "committed",
    "cohort",
    "reported",
    "late",
    "partial",
    "refused",
    "accuracy",
    "macro_f1",
    "auc",
    "uplink_bytes",
    "downlink_bytes",
    "seconds",
}


def options(data, **changes):
    """Return options for a short simulation."""
    settings = {
        "data": data,
        "model": "heart-logistic",
        "clients": "site",
        "holdout": 0.25,
        "rounds": 4,
        "training": TrainingSettings(local_epochs=3, learning_rate=0.05),
        "seed": 3,
        "processes": 1,
        "with_baselines": False,
    } | changes
    return SimulationOptions(**settings)


def timeless(report):
    """Return a report without the seconds that it took."""
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in report["rounds"]]
    return report | {"rounds": rows, "final": rows[-1]}


def test_a_report_has_what_it_promises(data):
    report = simulate(options(data, with_baselines=True), lambda row: None)
    assert [row["version"] for row in report["rounds"]] == [0, 1, 2, 3, 4]
    assert all(set(row) == ROW_KEYS for row in report["rounds"])
    assert report["final"] == report["rounds"][-1]
    assert report["dataset"] == "table"
    assert report["parameters"] == load_artifact("heart-logistic").spec.parameters
    assert len(report["clients"]) == 4
    assert len(report["heldout_clients"]) == 2
    assert not set(report["clients"]) & set(report["heldout_clients"])
    assert set(report["baselines"]) == {"majority", "local_only", "pooled"}
    json.dumps(report)


def test_the_federation_learns_and_comes_close_to_the_pool(data):
    report = simulate(options(data, rounds=10, with_baselines=True), lambda row: None)
    final, base = report["final"], report["baselines"]
    assert final["accuracy"] > 0.9
    assert final["accuracy"] > base["majority"]["accuracy"] + 0.2
    assert abs(final["accuracy"] - base["pooled"]["accuracy"]) < 0.05


def test_the_same_seed_gives_the_same_report_however_many_processes(data):
    one = timeless(simulate(options(data), lambda row: None))
    three = timeless(simulate(options(data, processes=3), lambda row: None))
    other = timeless(simulate(options(data, seed=4), lambda row: None))
    assert one == three
    assert one != other


def test_bytes_are_the_payloads_of_every_gateway(data):
    exact = simulate(options(data, training=TrainingSettings(codec="none")), lambda row: None)
    small = simulate(options(data), lambda row: None)
    parameters = exact["parameters"]
    row, smaller = exact["rounds"][2], small["rounds"][2]
    # 4 gateways; each sends 4 bytes a parameter, and signed envelopes of a few hundred bytes.
    assert 4 * 4 * parameters < row["uplink_bytes"] < 4 * (4 * parameters + 2000)
    assert smaller["uplink_bytes"] < row["uplink_bytes"]
    assert row["downlink_bytes"] > 4 * 4 * parameters


@pytest.mark.parametrize("timing", [None, Timing(profile="wifi")])
def test_models_go_down_as_steps_after_the_first(data, timing, record_property):
    """What is left beside the model: plans, announcements, receipts, chunks' envelopes."""
    reports = {}
    for model_codec in ("none", "q8", "q4"):
        training = TrainingSettings(local_epochs=3, learning_rate=0.05, model_codec=model_codec)
        reports[model_codec] = simulate(
            options(data, model="heart-mlp", rounds=6, training=training, timing=timing),
            lambda row: None,
        )
    down = {
        name: sum(row["downlink_bytes"] for row in report["rounds"][2:])
        for name, report in reports.items()
    }
    record_property("times_fewer_down", {name: down["none"] / size for name, size in down.items()})
    assert down["none"] > 1.7 * down["q8"]
    assert down["q8"] > 1.15 * down["q4"]
    scores = [reports[name]["final"]["accuracy"] for name in ("none", "q8")]
    assert scores[0] == pytest.approx(scores[1], abs=0.05)


LINK_KEYS = {"virtual_seconds", "wire_uplink_bytes", "wire_downlink_bytes"}


@pytest.mark.parametrize("profile", ["wifi", "ambulance"])
def test_links_add_to_the_report_and_a_perfect_one_changes_no_model(data, profile):
    plain = timeless(simulate(options(data), lambda row: None))
    timing = Timing(profile=profile)
    one = timeless(simulate(options(data, timing=timing), lambda row: None))
    assert one == timeless(simulate(options(data, timing=timing, processes=2), lambda row: None))
    assert all(set(row) | {"seconds"} == ROW_KEYS | LINK_KEYS for row in one["rounds"])
    assert all(row["virtual_seconds"] >= 0 for row in one["rounds"])
    # Three epochs of several steps each, and messages that take their time.
    assert all(row["virtual_seconds"] > 0.05 for row in one["rounds"][1:])
    wire = sum(row["wire_uplink_bytes"] for row in one["rounds"])
    assert wire > sum(row["uplink_bytes"] for row in one["rounds"])
    assert one["link"]["profile"] == profile
    if profile == "wifi":
        assert one["schedule"]["min_gateways"] == 4
        scores = [[row["accuracy"] for row in report["rounds"]] for report in (plain, one)]
        assert scores[0] == pytest.approx(scores[1], abs=0.03)


def test_a_cohort_is_a_part_of_the_gateways(data):
    report = simulate(options(data, scheduling=Scheduling(cohort=2)), lambda row: None)
    assert {row["cohort"] for row in report["rounds"]} == {2}
    assert {row["reported"] for row in report["rounds"]} == {2}


def test_an_autoencoder_is_scored_by_its_reconstruction(tmp_path):
    generator = np.random.default_rng(1)
    phase = generator.uniform(0, 6, (60, 1, 6))
    x = np.sin(np.arange(200)[None, :, None] / 8 + phase).astype(np.float32)
    path = tmp_path / "waves.npz"
    np.savez(path, x=x, y=np.zeros(60, np.int8), subject=np.arange(60) % 3)
    training = TrainingSettings(local_epochs=2, learning_rate=0.03)
    report = simulate(
        options(
            path,
            model="shoulder-autoencoder",
            clients="subject",
            training=training,
            with_baselines=True,
        ),
        lambda row: None,
    )
    errors = [row["reconstruction_error"] for row in report["rounds"]]
    assert errors[-1] < errors[0]
    assert report["final"]["macro_f1"] is None
    assert "majority" not in report["baselines"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"site": None}, "has no array 'site'; it has x, y"),
        ({"x": np.zeros((600, 12))}, "x is (600, 12), heart-logistic takes (13,)"),
        ({"y": np.zeros(599, int)}, "y must be integers (600,), not int64(599,)"),
        ({"y": np.full(600, 2)}, "y holds a class outside 0..1 (heart-logistic)"),
        ({"y": np.zeros(600)}, "y must be integers (600,), not float64"),
        ({"site": np.zeros(600, int)}, "1 client; at least 2 are needed"),
        ({"x": np.array([{}] * 600)}, "cannot be read"),
    ],
)
def test_wrong_data_is_named(data, change, words):
    arrays = dict(np.load(data).items()) | change
    np.savez(data, **{name: array for name, array in arrays.items() if array is not None})
    spec = load_artifact("heart-logistic").spec
    with pytest.raises(DatasetError) as caught:
        split_clients(load_dataset(data, "site", spec), 0.25, 0)
    assert words in str(caught.value)


def test_the_command_takes_a_link_and_says_the_virtual_seconds(data, capsys):
    command = f"simulate --data {data} --clients site --model heart-svm --rounds 1 --link 2g"
    assert main([*command.split(), "--step-ms", "50", "--min-gateways", "3"]) == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("virtual s")
    assert float(lines[2].split()[-1]) > 1.0
    assert lines[-1].startswith("synchronous: 2 rounds committed, 0 abandoned; 7 updates folded")
    with pytest.raises(SystemExit):
        main([*command.split(), "--link", "5g"])
    assert "'5g' is not one of wifi, 4g" in capsys.readouterr().err


def test_the_command_prints_rounds_and_writes_the_report(data, tmp_path, capsys):
    report = tmp_path / "report.json"
    code = main(
        [
            "simulate",
            "--data",
            str(data),
            "--clients",
            "site",
            "--model",
            "heart-svm",
            "--rounds",
            "2",
            "--report",
            str(report),
            "--baselines",
        ]
    )
    assert code == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        "version",
        "reported",
        "accuracy",
        "macro-F1",
        "up",
        "KiB",
        "down",
        "KiB",
        "seconds",
    ]
    assert [line.split()[0] for line in lines[1:4]] == ["0", "1", "2"]
    assert json.loads(report.read_text())["final"]["version"] == 2


@pytest.mark.parametrize("mode", ["head", "sparse"])
def test_weaker_gateways_take_part_with_smaller_updates(data, mode):
    """A population in which some train the last layers learns, and spends fewer bytes."""
    model = {"model": "heart-mlp", "rounds": 6}
    training = TrainingSettings(local_epochs=3, learning_rate=0.05, codec="none")
    strong = simulate(options(data, training=training, **model), lambda row: None)
    mixed = simulate(
        options(data, training=training, tiers=((mode, 0.5),), **model), lambda row: None
    )
    assert mixed["final"]["committed"]
    assert mixed["final"]["reported"] == mixed["final"]["cohort"] == strong["final"]["cohort"]
    assert mixed["final"]["uplink_bytes"] < 0.85 * strong["final"]["uplink_bytes"]
    assert mixed["final"]["accuracy"] > mixed["rounds"][0]["accuracy"]
    assert mixed["final"]["accuracy"] > 0.7


def test_gateways_with_two_codecs_live_in_one_round(data):
    """Half of the gateways are behind links that have a codec of their own."""
    sparse = LinkCodecSettings("4g", "residual|ternary|golomb")
    training = TrainingSettings(local_epochs=3, learning_rate=0.05, codec="none", links=(sparse,))
    changes = {"training": training, "model": "heart-mlp", "rounds": 6}
    alike = simulate(options(data, **changes), lambda row: None)
    mixed = simulate(options(data, links=(("4g", 0.5),), **changes), lambda row: None)
    assert mixed["final"]["reported"] == mixed["final"]["cohort"] == alike["final"]["cohort"]
    assert mixed["final"]["uplink_bytes"] < 0.85 * alike["final"]["uplink_bytes"]
    assert mixed["final"]["accuracy"] > max(0.7, mixed["rounds"][0]["accuracy"])


def test_quiet_gateways_send_fewer_bytes_and_train_the_same(data):
    loud = simulate(options(data), lambda row: None)
    quiet = simulate(options(data, quiet=True), lambda row: None)
    assert quiet["final"]["accuracy"] == loud["final"]["accuracy"]
    assert quiet["final"]["uplink_bytes"] < 0.6 * loud["final"]["uplink_bytes"]


@pytest.mark.parametrize("text", ["4g", "4g:0.5", "4g:2:q8", ":0.5:q8", "4g:half:q8"])
def test_a_link_codec_that_cannot_be_is_refused(data, capsys, text):
    with pytest.raises(SystemExit):
        main(["simulate", "--data", str(data), "--model", "heart-mlp", "--link-codec", text])
    assert "is not like 4g:0.5:q4" in capsys.readouterr().err


def test_tiers_link_codecs_and_quiet_work_behind_links_too(data):
    """Each has the effect that it has without links."""
    sparse = LinkCodecSettings("4g", "residual|ternary|golomb")
    training = TrainingSettings(local_epochs=3, learning_rate=0.05, codec="none", links=(sparse,))
    told = {"training": training, "model": "heart-mlp", "rounds": 4, "timing": Timing(profile="4g")}
    plain = simulate(options(data, **told), lambda row: None)
    base = plain["final"]["uplink_bytes"]
    for changes in ({"tiers": (("head", 0.5),)}, {"links": (("4g", 0.5),)}, {"quiet": True}):
        changed = simulate(options(data, **told, **changes), lambda row: None)
        assert changed["final"]["reported"] == plain["final"]["reported"] == 4
        assert changed["final"]["uplink_bytes"] < 0.9 * base, changes
