"""Requests are refused by field, and the same request gives the same artifact."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models.artifact import load_artifact, zoo_names
from models.build.architectures import network
from models.build.initial import initial_parameters
from models.build.request import (
    BuildRequest,
    parse_channels,
    parse_class_names,
    parse_input,
)
from models.build.zoo_requests import BUILT_WITH, zoo_requests
from models.errors import RequestError
from models.spec import Channel
from models.spec_file import load_spec
from models.trainable import TrainableModel


def test_parses_what_the_command_line_takes() -> None:
    assert parse_input("200x6") == (200, 6)
    assert parse_input("13") == (13,)
    assert parse_channels("ax:[g], hr:/min,sex") == (
        Channel("ax", "[g]"),
        Channel("hr", "/min"),
        Channel("sex", "1"),
    )
    assert parse_class_names("walk, sit") == ("walk", "sit")


@pytest.mark.parametrize("text", ["", "x", "0x6", "200x", "2x3x4x5", "-1", "1e3", "200X6", "9" * 9])
def test_refuses_a_size(text: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_input(text)
    assert caught.value.field == "input"


@pytest.mark.parametrize("text", ["", "ax:", "ax:g:h", "a,,b", "a b"])
def test_refuses_channels(text: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_channels(text)
    assert caught.value.field == "channels"


@pytest.mark.parametrize(
    ("fields", "blamed"),
    [
        ({"architecture": "rnn"}, "arch"),
        ({"input_shape": (2, 3, 4, 5)}, "input"),
        ({"input_shape": ()}, "input"),
        ({"input_shape": (13,)}, "input"),
        ({"input_shape": (39, 6)}, "input"),
        ({"input_shape": (2_000_000, 6), "architecture": "mlp"}, "input"),
        ({"architecture": "autoencoder", "classes": 0, "input_shape": (97, 3)}, "input"),
        ({"architecture": "autoencoder"}, "classes"),
        ({"classes": 1}, "classes"),
        ({"class_names": ("a", "b")}, "class-names"),
        ({"classes": 2, "class_names": ("a", "a")}, "class-names"),
        ({"batch_size": 0}, "batch"),
        ({"rate_hz": 0.0}, "rate"),
        ({"channels": parse_channels("a,b")}, "channels"),
        ({"channels": parse_channels("a,a,b,c,d,e")}, "channels"),
    ],
)
def test_a_request_names_the_field(fields: dict[str, object], blamed: str) -> None:
    good = {"architecture": "cnn1d", "input_shape": (200, 6), "classes": 7, "out": Path("x")}
    BuildRequest(**good)  # type: ignore[arg-type]
    with pytest.raises(RequestError) as caught:
        BuildRequest(**{**good, **fields})  # type: ignore[arg-type]
    assert caught.value.field == blamed


def test_names_are_made_up_where_none_are_given() -> None:
    request = BuildRequest("logistic", (2,), 3, Path("x"))
    assert request.named_channels() == (Channel("c0", "1"), Channel("c1", "1"))
    assert request.named_classes() == ("0", "1", "2")


@pytest.mark.parametrize("steps", [40, 41, 96, 97, 200, 1000])
def test_cnn1d_suits_any_window(steps: int) -> None:
    shapes = network("cnn1d", (steps, 3), 4).shapes()
    assert all(min(shape) >= 1 for shape in shapes.values())


def test_initial_parameters_have_hes_variance_and_follow_the_seed() -> None:
    net = network("mlp", (200, 6), 7)
    vector = initial_parameters(net, 0)
    first = vector[net.layout()[0].slice]
    assert np.var(first) == pytest.approx(2 / 1200, rel=0.05)
    assert (initial_parameters(net, 0) == vector).all()
    assert (initial_parameters(net, 1) != vector).any()


@pytest.mark.parametrize("name", zoo_names())
def test_shipped_layout_and_first_parameters_are_the_builders(name: str) -> None:
    artifact = load_artifact(name)
    spec = artifact.spec
    net = network(spec.architecture, spec.input_shape, len(spec.targets) or len(spec.classes))
    assert net.layout() == spec.layout
    # Another NumPy may round a normal deviate otherwise in its last bit.
    np.testing.assert_allclose(artifact.initial_parameters(), initial_parameters(net, 0), atol=1e-6)


def test_requests_need_no_tensorflow() -> None:
    program = (
        "import sys; import models.build.request, models.build.zoo_requests, models.trainable,"
        " models.int8; assert not {'tensorflow', 'tensorflow.lite'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_rebuilding_gives_the_same_spec(tmp_path: Path) -> None:
    if not _tensorflow().startswith(f"{BUILT_WITH}."):
        pytest.skip(f"the shipped artifacts are of TensorFlow {BUILT_WITH}")
    for request in zoo_requests(tmp_path):
        program = (
            "import sys; from pathlib import Path; from models.build.artifact import"
            " build_artifact; from models.build.zoo_requests import zoo_requests;"
            " [build_artifact(r) for r in zoo_requests(Path(sys.argv[1]))"
            " if r.out.name == sys.argv[2]]"
        )
        # Its own process: TensorFlow warns while it is imported, and warnings are errors here.
        subprocess.run(
            [sys.executable, "-c", program, str(tmp_path), request.out.name],
            check=True,
            capture_output=True,
        )
        built, shipped = load_spec(request.out / "spec.json"), load_artifact(request.out.name).spec
        assert built == shipped


def test_a_model_of_ones_own_trains(tmp_path: Path) -> None:
    _tensorflow()
    program = (
        "import sys; from pathlib import Path; from models.build.artifact import build_artifact;"
        " from models.build.request import BuildRequest;"
        " build_artifact(BuildRequest('cnn1d', (41, 2), 3, Path(sys.argv[1]), batch_size=4))"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, capture_output=True)
    model = TrainableModel(load_artifact(tmp_path))
    x = np.random.default_rng(0).normal(size=(4, 41, 2)).astype(np.float32)
    weight = np.ones(4, np.float32)
    losses = [
        model.train_step(x, np.array([0, 1, 2, 0]), weight, learning_rate=0.1) for _ in range(40)
    ]
    assert losses[-1] < 0.5 * losses[0]


def _tensorflow() -> str:
    """Its version; skips without it. Not imported: it warns, and warnings are errors here."""
    try:
        return importlib.metadata.version("tensorflow")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the build extra is not installed")
