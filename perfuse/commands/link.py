"""``perfuse link``: a link that comes and goes, to be tried against."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from perfuse.commands.options import Commands, number, whole
from perfuse.exit_codes import ExitCode

if TYPE_CHECKING:
    from perfuse.link.timeline import LinkEvent

_RUN_DESCRIPTION = """\
Be a link: a TCP proxy with a profile's rates, delays, stalls and outages. What it does depends on
the profile and the seed alone, so that a run can be repeated. --speed makes it a link of a faster
world: ten minutes pass in one, at ten times the rate.
"""


def add_parser(commands: Commands) -> None:
    """Add this command's options."""
    parser = commands.add_parser(
        "link",
        help="emulate links that come and go",
        description="Emulate links that come and go; see also: perfuse simulate --link.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="the profiles, and where their numbers come from")
    listing.set_defaults(run=run_list)
    _add_show(actions)
    _add_run(actions)


def profile_name(text: str) -> str:
    """Parse the name of a profile, as argparse wants it."""
    from perfuse.link.profiles import PROFILES

    if text not in PROFILES:
        raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(PROFILES)}")
    return text


def _add_show(actions: Commands) -> None:
    parser = actions.add_parser("show", help="what happens on a link, and when")
    parser.add_argument("profile", type=profile_name, metavar="PROFILE")
    parser.add_argument("--seed", type=whole(0, 2**63 - 1), default=0, metavar="N")
    parser.add_argument(
        "--minutes", type=number(0.01, 1e6), default=60.0, metavar="M", help="(%(default)s)"
    )
    parser.add_argument("--stalls", action="store_true", help="list the stalls too")
    parser.set_defaults(run=run_show)


def _add_run(actions: Commands) -> None:
    parser = actions.add_parser(
        "run",
        help="be a link, between a gateway and its broker",
        description=_RUN_DESCRIPTION,
        epilog="perfuse link run --profile ambulance --listen 1884 --to 127.0.0.1:1883 --seed 7",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--profile", type=profile_name, required=True, metavar="PROFILE")
    parser.add_argument(
        "--listen",
        type=_address,
        required=True,
        metavar="[HOST:]PORT",
        help="where gateways connect; on 127.0.0.1 when no host is given",
    )
    parser.add_argument(
        "--to", type=_address, required=True, metavar="[HOST:]PORT", help="where the broker is"
    )
    parser.add_argument("--seed", type=whole(0, 2**63 - 1), default=0, metavar="N")
    parser.add_argument(
        "--speed",
        type=number(0.1, 1000),
        default=1.0,
        metavar="X",
        help="the link's seconds in a real one (%(default)s)",
    )
    parser.set_defaults(run=run_proxy)


def run_list(options: argparse.Namespace) -> int:
    """Print the profiles."""
    del options
    from perfuse.link.profiles import PROFILES

    for profile in PROFILES.values():
        rates = f"{profile.up_bits_per_s / 1e6:g} up, {profile.down_bits_per_s / 1e6:g} down Mbit/s"
        print(f"{profile.name:<14} {profile.summary}")
        print(
            f"{'':<14} {rates}, {1000 * profile.delay_s:g} to "
            f"{1000 * (profile.delay_s + profile.jitter_s):g} ms one way, "
            f"up {profile.up_share:.0%} of the time"
        )
        print(f"{'':<14} {profile.source}")
    return ExitCode.OK


def run_show(options: argparse.Namespace) -> int:
    """Print a profile's events."""
    import numpy as np

    from perfuse.link.profiles import PROFILES
    from perfuse.link.timeline import EventKind, Timeline

    # As the proxy does, so that what is shown is what `link run` plays.
    timeline_rng, _ = np.random.default_rng(options.seed).spawn(2)
    timeline = Timeline(PROFILES[options.profile], timeline_rng)
    for event in timeline.events(60 * options.minutes):
        if options.stalls or event.kind is not EventKind.STALL:
            print(_line(event))
    return ExitCode.OK


def run_proxy(options: argparse.Namespace) -> int:
    """Be a link until a signal comes."""
    from perfuse.link.profiles import PROFILES
    from perfuse.link.proxy import LinkProxy, Route, opened
    from perfuse.service import run_until_signal

    async def serve(stop: asyncio.Event) -> None:
        route = Route(*options.to, *options.listen)
        profile = PROFILES[options.profile]
        proxy = LinkProxy(
            profile, options.seed, route, speed=options.speed, said=lambda e: _say(_line(e))
        )
        async with opened(proxy):
            host, port = options.listen[0], proxy.port
            _say(f"{profile.name}, seed {options.seed}: {host}:{port} to {_text(options.to)}")
            await stop.wait()
        up, down = proxy.up, proxy.down
        _say(f"bytes up: {up.spent} spent, {up.delivered} arrived; "
             f"down: {down.spent} spent, {down.delivered} arrived")  # fmt: skip

    run_until_signal(serve)
    return ExitCode.OK


def _say(line: str) -> None:
    print(line, flush=True)


def _line(event: LinkEvent) -> str:
    ending = f", {event.ending}" if event.ending else ""
    lasting = f" for {event.duration_s:.1f} s" if event.duration_s else ""
    return f"{event.at_s:>10.1f} s  {event.kind}{lasting}{ending}"


def _text(address: tuple[str, int]) -> str:
    return f"{address[0]}:{address[1]}"


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or not 0 <= int(port) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is not [HOST:]PORT")
    return host.strip("[]") or "127.0.0.1", int(port)
