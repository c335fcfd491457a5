"""``perfuse demo``: a whole federation on this machine, on real recordings."""

from __future__ import annotations

import argparse
from pathlib import Path

from perfuse.commands.link import profile_name
from perfuse.commands.options import Commands, number, whole
from perfuse.exit_codes import ExitCode

_DESCRIPTION = """\
Run a whole federation on this machine: smartwatch recordings replayed as serial sensors, one
gateway process per subject, an MQTT broker (Mosquitto when installed, else amqtt), an aggregator.
Two subjects are held out; each new model version is scored on them. Ctrl-C tidies up.
"""


def add_parser(commands: Commands) -> None:
    """Add this command's options."""
    parser = commands.add_parser(
        "demo",
        help="run a whole federation here, on real recordings",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--gateways", type=whole(2, 8), default=8, metavar="N", help="2 to 8 (%(default)s)")
    add("--rounds", type=whole(1, 1000), default=8, metavar="N", help="(%(default)s)")
    add(
        "--speed",
        type=number(0.1, 1000),
        default=30.0,
        metavar="X",
        help="times real time that the recordings are replayed at (%(default)s)",
    )
    add(
        "--codec",
        default="default",
        metavar="CODEC",
        help="none, default or a chain as in docs/compression.md (%(default)s)",
    )
    add(
        "--broker",
        default="",
        metavar="URL",
        help="use this broker, mqtt[s]://[user:password@]host[:port], instead of one of our own",
    )
    add(
        "--out",
        type=Path,
        default=Path("demo-run"),
        metavar="DIR",
        help="for logs, state and the model; cleared at the start (%(default)s)",
    )
    add(
        "--link",
        type=profile_name,
        metavar="PROFILE",
        help="put each gateway behind a link of its own; see: perfuse link list",
    )
    add(
        "--link-speed",
        type=number(0.1, 1000),
        default=1.0,
        metavar="X",
        help="the links' seconds in a real one (%(default)s)",
    )
    add("--report", type=Path, metavar="FILE", help="write a report there, as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the demo."""
    import logging

    from broker.aggregator.settings import TrainingSettings
    from broker.protocol.compression import DEFAULT_CODEC
    from perfuse.demo.show import DemoOptions, run_demo

    logging.getLogger("broker.link").setLevel(logging.ERROR)
    codec = DEFAULT_CODEC if options.codec == "default" else options.codec
    TrainingSettings(codec=codec)  # a wrong codec is said before anything starts
    run_demo(
        DemoOptions(
            gateways=options.gateways,
            rounds=options.rounds,
            speed=options.speed,
            codec=codec,
            broker_url=options.broker,
            out=options.out,
            report=options.report,
            link=options.link,
            link_speed=options.link_speed,
        )
    )
    return ExitCode.OK
