"""``perfuse keys``: public keys of gateways and aggregators."""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from perfuse.commands.options import Commands
from perfuse.exit_codes import ExitCode

if TYPE_CHECKING:
    from broker.aggregator.round_log import RoundLog

_DESCRIPTION = """\
Every plan, model announcement, update and receipt is signed. A gateway knows the aggregator by
the public key in its configuration (aggregator_key), the aggregator knows gateways by those in
gateways.keys_file; without them each side trusts the key that it meets first, and then no other.
"""


def add_parser(commands: Commands) -> None:
    """Add this command's sub-commands."""
    parser = commands.add_parser(
        "keys",
        help="show and forget public keys",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = actions.add_parser(
        "show",
        help="print a service's public key",
        description="Print the public key of the agent or aggregator with this configuration; "
        "its secret key is made when there is none yet.",
    )
    show.add_argument("--config", type=Path, required=True, metavar="FILE.toml")
    show.set_defaults(run=_show)
    pinned = actions.add_parser(
        "pinned",
        help="print the keys that an aggregator knows its gateways by",
        description="Print each gateway that the aggregator has met and the public key that it "
        "is known by, one a line, as gateways.keys_file has them.",
    )
    pinned.add_argument("--config", type=Path, required=True, metavar="FILE.toml")
    pinned.set_defaults(run=_pinned)
    forget = actions.add_parser(
        "forget",
        help="let a gateway that was set up anew show another key",
        description="Forget the key that the aggregator knows a gateway by, so that the next "
        "one it shows is trusted. Stop the aggregator first.",
    )
    forget.add_argument("--config", type=Path, required=True, metavar="FILE.toml")
    forget.add_argument("--gateway", required=True, metavar="NAME")
    forget.set_defaults(run=_forget)


def _show(options: argparse.Namespace) -> int:
    from broker.aggregator.settings import ServiceSettings
    from broker.keys import KEY_FILE, KeyFileError, load_or_make_seed
    from broker.protocol.signing import Ed25519Signer
    from edge_agent.settings import AgentSettings
    from perfuse.configuration import load

    kind: type[AgentSettings | ServiceSettings]
    kind = AgentSettings if _is_gateways(options.config) else ServiceSettings
    state_dir = Path(load(options.config, kind).state_dir)
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KeyFileError(state_dir, error.strerror or str(error)) from error
    print(Ed25519Signer(load_or_make_seed(state_dir / KEY_FILE)).public.hex())
    return ExitCode.OK


def _pinned(options: argparse.Namespace) -> int:
    from contextlib import closing

    with closing(_open_log(options.config)) as log:
        for name, key in sorted(log.gateway_keys().items()):
            print(name, key.hex())
    return ExitCode.OK


def _forget(options: argparse.Namespace) -> int:
    from contextlib import closing

    with closing(_open_log(options.config)) as log:
        known = log.forget_gateway_key(options.gateway)
    if not known:
        print(f"no key of {options.gateway} is pinned")
        return ExitCode.FAILED
    print(f"the next key that {options.gateway} shows is trusted")
    return ExitCode.OK


def _open_log(config: Path) -> RoundLog:
    from broker.aggregator.round_log import RoundLog
    from broker.aggregator.settings import ServiceSettings
    from models.artifact import load_artifact
    from perfuse.configuration import load

    settings = load(config, ServiceSettings)
    digest = bytes.fromhex(load_artifact(settings.model).spec.digest)
    return RoundLog(Path(settings.state_dir) / "rounds.sqlite", settings.population, digest)


def _is_gateways(config: Path) -> bool:
    """Whether a file is an agent's; what is wrong with it is said by who loads it."""
    try:
        return "gateway" in tomllib.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
