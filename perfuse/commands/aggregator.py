"""``perfuse aggregator``: a population's aggregator, as a service."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from perfuse.commands.options import Commands
from perfuse.exit_codes import ExitCode

_DESCRIPTION = """\
Run a population's aggregator: open rounds to the gateways that are ready, fold their updates as
they come, commit new model versions. Ends when all rounds are committed, or in order on SIGTERM;
killed at any moment, it goes on inside the same round.
"""

_EXAMPLE = """\
a configuration:

  population = "shoulder-rehab"
  model = "shoulder-cnn1d"             # the same model as on the gateways
  state_dir = "/var/lib/perfuse-aggregator"

  [broker]
  url = "mqtts://broker.example.org"
  username = "aggregator"
  password_file = "/run/credentials/perfuse-aggregator.service/mqtt"

  [rounds]
  rounds = 0                           # for ever
  min_gateways = 8
  min_reports = 5
  deadline_s = 3600

docs/configuration.md has every key.
"""


def add_parser(commands: Commands) -> None:
    """Add this command's options."""
    parser = commands.add_parser(
        "aggregator",
        help="run a population's aggregator",
        description=_DESCRIPTION,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, required=True, metavar="FILE.toml")
    parser.add_argument(
        "--check", action="store_true", help="only say whether the configuration is good"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the aggregator until its rounds are done or it is told to stop."""
    from broker.aggregator.settings import ServiceSettings
    from models.artifact import load_artifact
    from perfuse.configuration import load

    settings = load(options.config, ServiceSettings)
    artifact = load_artifact(settings.model)
    if options.check:
        print(f"{options.config}: good")
        return ExitCode.OK

    from broker.aggregator.service import AggregatorService
    from perfuse.service import run_until_signal

    async def serve(stop: asyncio.Event) -> None:
        state_dir = Path(settings.state_dir)
        service = AggregatorService(
            settings.core(), settings.broker, artifact, state_dir, settings.gateways.keys_file
        )
        await service.run(stop)

    run_until_signal(serve)
    return ExitCode.OK
