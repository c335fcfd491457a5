"""``perfuse models``: list, inspect, build and verify model artifacts."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path

from models.spec import ARCHITECTURES, SEGMENTATION, ModelSpec
from perfuse.commands.options import Commands, number, whole
from perfuse.exit_codes import ExitCode

_BUILD_DESCRIPTION = """\
Build a model directory: the training graph (train, infer, parameters and restore signatures over
one flat float32 vector; TFLite's builtin operators only), the full-int8 inference graph, the first
parameters, and the spec. Needs TensorFlow: pip install 'perfuse[build]'. The same options give
the same bytes.
"""

_VERIFY_DESCRIPTION = """\
Run the conversion checks of a model directory: digests, builtin operators only, signatures and
shapes, restore bit for bit, a loss that falls in every training mode, and int8 answers that agree
with the float path on seeded examples. Exit code 65 when one fails.
"""


def add_parser(commands: Commands) -> None:
    """Add this command's options."""
    parser = commands.add_parser(
        "models", help="list, inspect, build and verify models", description=__doc__
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    listing = actions.add_parser("list", help="models that ship with perfuse")
    listing.set_defaults(run=run_list)

    inspect = actions.add_parser("inspect", help="what a model takes, answers and holds")
    inspect.add_argument("model", metavar="DIR|NAME")
    inspect.set_defaults(run=run_inspect)

    verify = actions.add_parser(
        "verify",
        help="try what a gateway relies on in a model directory",
        description=_VERIFY_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verify.add_argument("model", metavar="DIR|NAME")
    verify.set_defaults(run=run_verify)

    build = actions.add_parser(
        "build",
        help="build a model directory (needs TensorFlow)",
        description=_BUILD_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = build.add_argument
    add("--arch", required=True, help=", ".join(ARCHITECTURES))
    add(
        "--input",
        required=True,
        metavar="SHAPE",
        help="13: features; 200x6: readings x channels; 28x28x1: rows x columns x channels",
    )
    add(
        "--classes",
        type=whole(0, 10_000),
        default=0,
        metavar="K",
        help="of a classifier or a segmentation",
    )
    add("--targets", metavar="LIST", help="of a forecast: glucose+6 is 6 readings ahead")
    add("--sparse", metavar="LIST", help="layers that mode sparse trains (the last two)")
    add("--batch", type=whole(1, 4096), default=32, metavar="B", help="(%(default)s)")
    add("--out", type=Path, required=True, metavar="DIR", help="directory to write")
    add("--name", default="", help="of the model; the directory's name when not given")
    add("--rate", type=number(1e-6, 1e6), metavar="HZ", help="readings a second")
    add("--channels", metavar="LIST", help="names and UCUM units, such as ax:[g],hr:/min")
    add("--class-names", metavar="LIST", help="such as WALK,FALL")
    add("--seed", type=whole(0, 2**31), default=0, help="of the first parameters (%(default)s)")
    build.set_defaults(run=run_build)


def run_list(options: argparse.Namespace) -> int:
    """Print a line for each model that ships with perfuse."""
    del options
    from models.artifact import load_artifact, zoo_names

    print(f"{'name':<22} {'architecture':<12} {'input':<8} {'answers':<22} {'parameters':>10}")
    for name in zoo_names():
        spec = load_artifact(name).spec
        shape = "x".join(map(str, spec.input_shape))
        answers = _answers(spec)
        print(f"{name:<22} {spec.architecture:<12} {shape:<8} {answers:<22} {spec.parameters:>10}")
    return ExitCode.OK


def run_inspect(options: argparse.Namespace) -> int:
    """Print what a model's spec says, and check its files."""
    from models.artifact import load_artifact
    from models.coordinates import touched
    from models.interpreter import runtime_name

    artifact = load_artifact(options.model)
    spec = artifact.spec
    rows = [
        ("model", spec.name),
        ("directory", str(artifact.directory)),
        ("digest", spec.digest),
        ("architecture", spec.architecture),
        ("input", "x".join(map(str, spec.input_shape))),
        ("rate", f"{spec.rate_hz:g} Hz" if spec.rate_hz else "-"),
        ("channels", ", ".join(f"{c.name} {c.unit}" for c in spec.channels)),
        ("classes", ", ".join(spec.classes) or "-"),
        ("answers", _answers(spec)),
        ("batch", str(spec.batch_size)),
        ("parameters", str(spec.parameters)),
        ("normalisation", "in the spec" if spec.normalisation else "from the population"),
        ("runtime here", runtime_name()),
    ]
    for key, value in rows:
        print(f"{key:<14} {value}")
    for mode in spec.modes:
        size = touched(spec, mode.name).size
        print(f"mode {mode.name:<9} trains {', '.join(mode.layers)}: {size} numbers change")
    print("\nlayout of the parameter vector")
    for block in spec.layout:
        shape = "x".join(map(str, block.shape))
        print(f"  {block.offset:>8}  {block.name:<20} {shape:<12} {block.role.value}")
    return ExitCode.OK


def run_verify(options: argparse.Namespace) -> int:
    """Print a line for each check."""
    from models.verification import verify

    checks = verify(options.model)
    for check in checks:
        print(f"{check.name:<18} {'ok' if check.passed else 'FAILED':<6} {check.detail}")
    return ExitCode.OK if all(check.passed for check in checks) else ExitCode.DATA


def _answers(spec: ModelSpec) -> str:
    if spec.targets:
        return ", ".join(target.name for target in spec.targets)
    if spec.classes:
        return f"{len(spec.classes)} classes" + (" a pixel" if spec.task == SEGMENTATION else "")
    return "a reconstruction"


def run_build(options: argparse.Namespace) -> int:
    """Build a model directory."""
    from models.build.request import (
        BuildRequest,
        parse_channels,
        parse_class_names,
        parse_input,
        parse_targets,
    )
    from perfuse.commands.missing import MissingExtraError

    request = BuildRequest(
        architecture=options.arch,
        input_shape=parse_input(options.input),
        classes=options.classes,
        out=options.out,
        batch_size=options.batch,
        name=options.name or options.out.resolve().name,
        rate_hz=options.rate,
        channels=parse_channels(options.channels) if options.channels else (),
        class_names=parse_class_names(options.class_names) if options.class_names else (),
        seed=options.seed,
        targets=parse_targets(options.targets) if options.targets else (),
        sparse=tuple(options.sparse.split(",")) if options.sparse else (),
    )
    if find_spec("tensorflow") is None:
        raise MissingExtraError("TensorFlow", "build")
    from models.build.artifact import build_artifact

    spec = build_artifact(request)
    print(f"{options.out}: {spec.architecture}, {spec.parameters} parameters, digest {spec.digest}")
    return ExitCode.OK
