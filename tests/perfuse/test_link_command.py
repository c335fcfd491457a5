"""``perfuse link``: what it lists, shows and refuses; and a link that is run as a process."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from perfuse.cli import main
from perfuse.exit_codes import ExitCode
from perfuse.link.profiles import PROFILES

ROOT = Path(__file__).parents[2]


def test_list_names_every_profile_with_its_source(capsys):
    assert main(["link", "list"]) == ExitCode.OK
    out = capsys.readouterr().out
    assert all(name in out and profile.source in out for name, profile in PROFILES.items())


def test_show_prints_the_same_events_for_the_same_seed(capsys):
    def show(*more):
        assert main(["link", "show", "ambulance", "--minutes", "10", *more]) == ExitCode.OK
        return capsys.readouterr().out

    assert show("--seed", "7") == show("--seed", "7") != show("--seed", "8")
    assert "stall" not in show()
    assert "stall" in show("--stalls")


def test_show_of_the_wards_vpn(capsys):
    assert main(["link", "show", "ward-vpn", "--minutes", "20"]) == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["     600.0 s  down for 360.0 s, silent", "     960.0 s  up"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "5g"], "'5g' is not one of wifi, 4g"),
        (["run", "--profile", "wifi", "--listen", "x", "--to", "1"], "'x' is not [HOST:]PORT"),
        (["run", "--profile", "wifi", "--listen", "1"], "required: --to"),
    ],
)
def test_wrong_options_are_named(arguments, words, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["link", *arguments])
    assert caught.value.code == ExitCode.USAGE
    assert words in capsys.readouterr().err


def test_a_taken_port_is_said_without_a_traceback(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code = main(["link", "run", "--profile", "wifi", "--listen", str(port), "--to", "1"])
    assert code == ExitCode.UNAVAILABLE
    assert f"perfuse link: 127.0.0.1:{port}: " in capsys.readouterr().err


def test_a_link_that_runs_carries_bytes_and_says_how_many():
    with socket.create_server(("127.0.0.1", 0)) as server:
        command = "-m perfuse link run --profile wifi --seed 7 --speed 10 --listen 0 --to"
        link = subprocess.Popen(
            [sys.executable, *command.split(), f"127.0.0.1:{server.getsockname()[1]}"],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert link.stdout is not None
        opening = link.stdout.readline()
        assert opening.startswith("wifi, seed 7: 127.0.0.1:")
        port = int(opening.split()[3].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), 10) as gateway:
            gateway.sendall(b"hello")
            broker, _ = server.accept()
            with broker:
                broker.settimeout(10)
                assert broker.recv(5) == b"hello"
        link.send_signal(signal.SIGTERM)
        out, _ = link.communicate(timeout=20)
        assert link.returncode == ExitCode.OK
        assert "bytes up: 5 spent, 5 arrived; down: 0 spent, 0 arrived" in out
