"""Sensors on the command line: listed, found, recorded, replayed, converted, watched."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.profiles import profile
from firmware_bridge.raw_recording_file import read_frames, read_header
from firmware_bridge.serial_profiles.nonin_df2 import NoninPacket, NoninStatus
from firmware_bridge.serial_source import SerialSource
from firmware_bridge.stream_decoder import open_decoder
from perfuse.cli import main
from perfuse.exit_codes import ExitCode
from tests.firmware_bridge.vendor_line import VendorLine

ROOT = Path(__file__).parents[2]
FRAMES = [
    profile("nonin_df2").encode(
        NoninPacket((NoninStatus.ALWAYS,) * 25, tuple(range(n, n + 25)), 60 + n, 97)
    )
    for n in range(20)
]
CSV = "seconds,ax/[g],ay/[g],label\n" + "".join(
    f"{n / 50},{n % 7},{-n % 5},{'walk' if n < 100 else ''}\n" for n in range(200)
)


def perfuse(*arguments, **options):
    return subprocess.Popen([sys.executable, "-m", "perfuse", *arguments], cwd=ROOT, **options)


@pytest.fixture
def walk(tmp_path):
    (tmp_path / "walk.csv").write_text(CSV)
    out = tmp_path / "walk.jsonl.gz"
    assert main(["sensors", "convert", str(tmp_path / "walk.csv"), "--out", str(out)]) == 0
    return out


def test_profiles_are_listed_with_what_they_come_over(capsys):
    assert main(["sensors", "list"]) == ExitCode.OK
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "serial 19200 8O1" in lines["contec_5byte"]
    assert "BLE" in lines["heart_rate"]
    assert "serial 115200 8N1, BLE" in lines["perfuse_frame"]
    assert "decode only" in lines["sfloat"]


def test_a_gateways_sensors_are_listed_with_where_they_are(tmp_path, walk, capsys):
    config = tmp_path / "agent.toml"
    config.write_text(
        'population="p"\ngateway="g"\nmodel="m"\nstate_dir="s"\n'
        '[[sensor]]\nname="ox"\nprofile="nonin_df2"\nport="ffff:fffe"\n'
        f'[[sensor]]\nname="watch"\nport="{tmp_path}/tty"\n'
        '[[sensor]]\nname="strap"\nkind="ble"\nprofile="heart_rate"\n'
        f'[[sensor]]\nname="walk"\nkind="replay"\nfile="{walk}"\n'
    )
    assert main(["sensors", "list", "--config", str(config)]) == ExitCode.OK
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[1][:4] == ["ox", "serial", "nonin_df2", "ffff:fffe"]
    assert " ".join(rows[1][4:]) == "no USB serial adapter ffff:fffe is plugged in"
    assert rows[2][1:3] == ["serial", "perfuse_frame"]
    assert rows[2][-2:] == ["not", "there"]
    assert rows[3][1:3] == ["ble", "heart_rate"]
    assert rows[4][1:3] == ["replay", "perfuse_frame"]


def test_a_port_is_probed(capsys, monkeypatch):
    async def scenario():
        line = VendorLine()
        command = perfuse(
            "sensors", "scan", "--probe", "--port", line.port, stdout=subprocess.PIPE, text=True
        )
        while command.poll() is None:
            await line.send(FRAMES[0])
            await asyncio.sleep(0.05)
        line.unplug()
        return command.communicate()[0], line.port

    out, port = asyncio.run(asyncio.wait_for(scenario(), 60))
    assert out.splitlines()[1].split()[:3] == [port, "-", "nonin_df2"]


def test_what_a_sensor_sends_is_recorded_and_replayed(tmp_path, capfd):
    out = tmp_path / "ox.jsonl.gz"

    async def scenario():
        line = VendorLine()
        command = perfuse(
            *("sensors", "record", "--port", line.port, "--profile", "nonin_df2"),
            *("--out", str(out), "--frames", "12"),
        )
        while command.poll() is None:
            await line.send(b"\x33\x44" + FRAMES[3])
            await asyncio.sleep(0.02)
        line.unplug()
        assert command.wait() == ExitCode.OK

    asyncio.run(asyncio.wait_for(scenario(), 60))
    assert "nonin_df2: 12 lines in" in capfd.readouterr().err
    header = read_header(out)
    assert (header.sensor, header.profile, header.transport) == ("nonin_df2", "nonin_df2", "serial")
    assert [frame.data for frame in read_frames(out)] == [FRAMES[3]] * 12
    assert main(["sensors", "replay", str(out), "--speed", "max"]) == ExitCode.OK
    printed, account = capfd.readouterr()
    samples = [json.loads(line) for line in printed.splitlines()]
    assert len(samples) == 24
    assert samples[0]["channels"] == ["spo2", "pulse_rate"]
    assert samples[0]["values"] == [[97.0, 63.0]]
    assert samples[1]["values"] == [[n] for n in range(3, 28)]
    books = json.loads(account)
    assert books["recorded"] == books["delivered"] == 12 * 26
    assert books["balance"] == 0


def test_a_table_becomes_a_recording_with_marks(walk, capsys):
    assert main(["sensors", "replay", str(walk), "--speed", "max"]) == ExitCode.OK
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["label"] for event in printed if "label" in event] == ["walk", None, None]
    values = np.concatenate([event["values"] for event in printed if "values" in event])
    expected = [[n % 7, -n % 5] for n in range(200)]
    assert np.allclose(values, expected, atol=1e-3)


def test_a_table_without_seconds_has_a_rate(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("ppg/{count}\n" + "1\n2\n3\n4\n")
    out = tmp_path / "a.jsonl"
    command = ["sensors", "convert", str(tmp_path / "a.csv"), "--out", str(out)]
    assert main(command) == ExitCode.DATA
    assert "line 1 is not: seconds" in capsys.readouterr().err
    assert main([*command, "--rate", "25"]) == ExitCode.OK
    assert read_header(out).rate_hz == 25


def test_faults_are_ordered_and_the_account_is_right(walk, capsys):
    faults = "drop=0.1,flip=0.1,duplicate=0.1,reorder=0.1,gap=0.01,disconnect=0.01,stall=0.01"
    command = ["sensors", "replay", str(walk), "--speed", "max", "--quiet", "--loop", "20"]
    assert main([*command, "--faults", faults, "--seed", "3"]) == ExitCode.OK
    account = json.loads(capsys.readouterr().err)
    assert account["recorded"] == 20 * 200
    assert account["balance"] == 0
    assert account["delivered"] < 4000
    came = account["recorded"] + account["copied"] + account["spurious"]
    assert came == account["delivered"] + sum(account["lost"].values())


def test_a_recording_is_served_with_its_outages(walk, tmp_path):
    link = tmp_path / "ttyWALK"

    async def scenario():
        command = perfuse(
            *("sensors", "replay", str(walk), "--serve", str(link), "--speed", "max"),
            *("--loop", "30", "--faults", "disconnect=0.01,disconnect_s=0"),
        )
        source = SerialSource("w", link, decoder=open_decoder("w", ""))
        async with asyncio.timeout(60):
            async for _ in source.events():
                if source.counters.reopened >= 2 and source.counters.readings > 500:
                    break
        command.terminate()
        assert command.wait() == ExitCode.OK

    asyncio.run(scenario())


def test_watching_prints_lines_where_there_is_no_terminal(walk, capsys):
    assert main(["sensors", "watch", "--replay", str(walk), "--seconds", "1.5"]) == ExitCode.OK
    text = capsys.readouterr().out
    assert "● walk  live" in text
    assert "signals.ax" in text
    assert "\033" not in text


def test_watching_draws_on_a_terminal_and_leaves_it_as_it_was(walk):
    master, slave = pty.openpty()
    command = perfuse(
        *("sensors", "watch", "--replay", str(walk), "--seconds", "1.5"), stdout=slave, stdin=slave
    )
    os.close(slave)
    drawn = b""
    while True:
        try:
            drawn += os.read(master, 4096)
        except OSError:
            break
    os.close(master)
    assert command.wait() == ExitCode.OK
    assert drawn.startswith(b"\033[?1049h\033[?25l")
    assert drawn.rstrip().endswith(b"\033[?25h\033[?1049l")
    assert "█" in drawn.decode()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["watch"], ExitCode.CONFIG, "say which: --config, --port or --profile"),
        (["watch", "--profile", "nonin", "--port", "/dev/x"], ExitCode.CONFIG, "did you mean"),
        (["watch", "--replay", "{tmp}/none.jsonl"], ExitCode.DATA, "none.jsonl: No such file"),
        (["replay", "{tmp}/none.jsonl"], ExitCode.DATA, "none.jsonl: No such file"),
        (["record", "--port", "a:b", "--out", "x"], ExitCode.CONFIG, "neither a path nor VID:PID"),
        (["list", "--config", "{tmp}/none.toml"], ExitCode.CONFIG, "none.toml"),
        (["convert", "{tmp}/none.txt", "--out", "x"], ExitCode.DATA, "is none of .edf"),
        (["convert", "{tmp}/none.edf", "--out", "x"], ExitCode.DATA, "is not read as EDF"),
    ],
)
def test_a_users_mistake_is_one_sentence(arguments, code, words, tmp_path, capsys):
    found = main(["sensors", *(argument.replace("{tmp}", str(tmp_path)) for argument in arguments)])
    captured = capsys.readouterr()
    assert found == code
    assert words in captured.err
    assert "Traceback" not in captured.err


@pytest.mark.parametrize("faults", ["drip=1", "drop=2", "drop"])
def test_a_wrong_fault_ends_with_2(faults, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["sensors", "replay", "x", "--faults", faults])
    assert caught.value.code == ExitCode.USAGE
    assert "--faults" in capsys.readouterr().err
