"""`perfuse demo` as a user runs it: it learns, it tidies up, and Ctrl-C is no accident."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from perfuse.exit_codes import ExitCode

pytestmark = pytest.mark.skipif(
    find_spec("seglearn") is None, reason="the demo's recordings are not installed"
)


def start(tmp_path, *arguments):
    """Start a small demo in a session of its own."""
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "perfuse",
            "demo",
            "--gateways",
            "2",
            "--speed",
            "200",
            "--out",
            str(tmp_path / "run"),
            *arguments,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONUNBUFFERED": "1"},
        cwd=Path(__file__).parents[2],
    )


def leftovers(tmp_path):
    """Return the command lines of processes that still work on this run."""
    mine = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(tmp_path / "run") in line:
            mine.append(line)
    return mine


def test_a_small_demo_runs_to_its_end_and_learns(tmp_path):
    report = tmp_path / "report.json"
    demo = start(tmp_path, "--rounds", "3", "--report", str(report))
    out, err = demo.communicate(timeout=180)
    assert demo.returncode == ExitCode.OK, err
    rows = json.loads(report.read_text())["rounds"]
    assert [row["version"] for row in rows] == [0, 1, 2, 3]
    assert all(row["reported"] == 2 for row in rows)
    assert rows[-1]["macro_f1"] > rows[0]["macro_f1"] + 0.1
    assert rows[-1]["uplink_bytes"] > rows[0]["uplink_bytes"] > 0
    parameters = json.loads(report.read_text())["parameters"]
    assert [row["float32_bytes"] for row in rows] == [n * 2 * 4 * parameters for n in range(4)]
    factor = rows[-1]["float32_bytes"] / rows[-1]["uplink_bytes"]
    assert factor > 2
    assert f"{factor:.1f}x" in out
    assert "macro-F1 on the held-out subjects" in out
    assert (tmp_path / "run" / "model" / "spec.json").exists()
    assert "gw-01(serial)" in out
    assert "gw-02(ble)" in out
    # The same whole stack either way: a session's readings, by frames, became windows.
    logs = [(tmp_path / "run" / f"gw-0{n}.log").read_text() for n in (1, 2)]
    assert all("sensor watch: frames=" in log for log in logs)
    assert "simulated Bluetooth adapter" in logs[1]
    assert leftovers(tmp_path) == []


def test_a_demo_behind_links_that_go_without_a_word_learns_too(tmp_path):
    report = tmp_path / "report.json"
    # At 150 times real time a ward's tunnel goes after 4 s, for 2.4 s, and every 24 s again.
    link = ("--link", "ward-vpn", "--link-speed", "150")
    demo = start(tmp_path, "--rounds", "3", "--report", str(report), *link)
    out, err = demo.communicate(timeout=180)
    assert demo.returncode == ExitCode.OK, err
    found = json.loads(report.read_text())
    assert [row["version"] for row in found["rounds"]] == [0, 1, 2, 3]
    assert found["rounds"][-1]["macro_f1"] > found["rounds"][0]["macro_f1"] + 0.1
    link_report = found["link"]
    assert link_report["profile"] == "ward-vpn"
    assert link_report["outages"] >= 2
    # The link carries MQTT's payloads and more: headers, and what was lost on the way.
    assert link_report["uplink_bytes"] > found["rounds"][-1]["uplink_bytes"] > 0
    assert "links    ward-vpn, one for each gateway, x150" in out
    assert f"{link_report['outages']} outages" in out
    assert re.search(r"gw-01\(serial\):\w+/v\d/(up|DOWN)\d+KiB", out)
    assert leftovers(tmp_path) == []


def test_a_link_that_does_not_exist_is_named(tmp_path):
    demo = start(tmp_path, "--link", "5g")
    _, err = demo.communicate(timeout=60)
    assert demo.returncode == ExitCode.USAGE
    assert "argument --link: '5g' is not one of wifi, 4g, 3g," in err


def test_a_link_cannot_stand_before_a_broker_with_a_certificate(tmp_path):
    demo = start(tmp_path, "--link", "3g", "--broker", "mqtts://broker.example.org")
    _, err = demo.communicate(timeout=60)
    assert demo.returncode == ExitCode.CONFIG
    assert "--broker: with --link it is mqtt://" in err
    assert "Traceback" not in err


def test_ctrl_c_ends_every_process_in_order(tmp_path):
    demo = start(tmp_path, "--rounds", "1000")
    assert demo.stdout is not None
    for line in demo.stdout:
        if line.split()[:1] == ["1"]:
            break
    demo.send_signal(signal.SIGINT)
    out, err = demo.communicate(timeout=60)
    assert demo.returncode == ExitCode.INTERRUPTED, err
    assert "interrupted; every process has ended" in out
    assert leftovers(tmp_path) == []
