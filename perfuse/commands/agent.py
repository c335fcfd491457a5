"""``perfuse agent``: a gateway, as a service."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from perfuse.commands.options import Commands
from perfuse.exit_codes import ExitCode

_DESCRIPTION = """\
Run a gateway: read its sensors, infer and alert locally, train when a plan asks for it, and
exchange updates with the population's aggregator. Ends in order on SIGTERM; killed at any
moment, it goes on from its state directory.
"""

_EXAMPLE = """\
a configuration:

  population = "shoulder-rehab"
  gateway = "ward-3-bed-12"            # stable for ever
  model = "shoulder-cnn1d"             # or the path of a model directory
  state_dir = "/var/lib/perfuse"

  [broker]
  url = "mqtts://broker.example.org"
  username = "ward-3-bed-12"
  password_file = "/run/credentials/perfuse-agent.service/mqtt"

  [[sensor]]
  name = "watch"
  port = "/dev/serial/by-id/usb-watch-dock"

  [alert]
  classes = ["PEN"]                    # of the model's; a forecast has: below = 70, above = 180

docs/configuration.md has every key.
"""


def add_parser(commands: Commands) -> None:
    """Add this command's options."""
    parser = commands.add_parser(
        "agent",
        help="run a gateway",
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
    """Run the agent until it is told to stop."""
    from edge_agent.model_fit import require_fit
    from edge_agent.settings import AgentSettings
    from models.artifact import load_artifact
    from perfuse.configuration import load, named_in

    settings = load(options.config, AgentSettings)
    artifact = load_artifact(settings.model)
    with named_in(options.config):
        require_fit(settings, artifact.spec)
    if options.check:
        print(f"{options.config}: good")
        return ExitCode.OK

    from edge_agent.memory import give_memory_back, use_one_arena

    use_one_arena()
    from edge_agent.agent import Agent
    from edge_agent.sources import open_sources
    from perfuse.adapters import open_adapter
    from perfuse.service import run_until_signal

    async def serve(stop: asyncio.Event) -> None:
        give_memory_back()  # what the imports alone needed
        await Agent(
            settings, artifact, open_sources(settings.sensor, open_adapter=open_adapter)
        ).run(stop)

    run_until_signal(serve)
    return ExitCode.OK
