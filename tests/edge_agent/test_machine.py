"""What machines tell of themselves, as Linux lays it out in sysfs and procfs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_agent.machine import Machine

ROUTES = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"


def lay(root: Path, files: dict[str, str]) -> Machine:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return Machine(root)


def supply(name: str, **files: str) -> dict[str, str]:
    return {f"sys/class/power_supply/{name}/{key}": text for key, text in files.items()}


def route(name: str, metric: int, destination: str = "00000000", mask: str = "00000000") -> str:
    return f"{name}\t{destination}\t0101A8C0\t0003\t0\t0\t{metric}\t{mask}\t0\t0\t0\n"


def test_a_bare_machine_tells_nothing(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    assert [
        machine.mains(),
        machine.battery_percent(),
        machine.temperature_c(),
        machine.load(),
        machine.link(),
    ] == [None] * 5


@pytest.mark.parametrize(("online", "mains"), [("1", True), ("0", False)])
def test_a_charger_says_whether_it_is_plugged_in(tmp_path: Path, online: str, mains: bool) -> None:
    battery = supply("BAT0", type="Battery", status="Full", capacity="55")
    machine = lay(tmp_path, supply("AC", type="Mains", online=online) | battery)
    assert machine.mains() is mains
    assert machine.battery_percent() == 55


@pytest.mark.parametrize(
    ("status", "mains"), [("Discharging", False), ("Charging", True), ("Full", True)]
)
def test_a_battery_alone_says_it_too(tmp_path: Path, status: str, mains: bool) -> None:
    machine = lay(tmp_path, supply("battery", type="Battery", status=status, capacity="80"))
    assert machine.mains() is mains


def test_the_emptiest_battery_counts_and_a_mouse_does_not(tmp_path: Path) -> None:
    first = supply("BAT0", type="Battery", status="Discharging", capacity="70")
    second = supply("BAT1", type="Battery", status="Unknown", capacity="20")
    mouse = supply("hid", type="Battery", scope="Device", status="Discharging", capacity="5")
    machine = lay(tmp_path, first | second | mouse)
    assert machine.battery_percent() == 20
    assert lay(tmp_path / "mouse", mouse).mains() is None


def test_the_hottest_zone_that_makes_sense_counts(tmp_path: Path) -> None:
    temperatures = {"thermal_zone0": "48500", "thermal_zone1": "61000", "thermal_zone2": "-274000"}
    files = {f"sys/class/thermal/{zone}/temp": text for zone, text in temperatures.items()}
    files["sys/class/thermal/cooling_device0/type"] = "Fan"
    assert lay(tmp_path, files).temperature_c() == 61.0


def test_load_is_by_the_core(tmp_path: Path) -> None:
    machine = lay(tmp_path, {"proc/loadavg": "3.00 2.00 1.00 2/345 6789"})
    assert machine.load() == 3.0 / (os.cpu_count() or 1)


@pytest.mark.parametrize(
    ("name", "files", "kind"),
    [
        ("eth0", {"type": "1", "device/uevent": ""}, "ethernet"),
        ("wlan0", {"type": "1", "device/uevent": "", "wireless/status": ""}, "wifi"),
        ("wwan0", {"type": "65534"}, "cellular"),
        ("ppp0", {"type": "512"}, "cellular"),
        ("tun0", {"type": "65534"}, "other"),
        ("br0", {"type": "1"}, "other"),
    ],
)
def test_the_kind_of_a_link(tmp_path: Path, name: str, files: dict[str, str], kind: str) -> None:
    net = {f"sys/class/net/{name}/{key}": text for key, text in files.items()}
    machine = lay(tmp_path, net | {"proc/net/route": ROUTES + route(name, 100)})
    assert machine.link() == kind


def test_the_default_route_with_the_least_metric_counts(tmp_path: Path) -> None:
    table = ROUTES + route("wwan0", 700) + route("eth0", 0, "0001A8C0", "00FFFFFF")
    files = {"sys/class/net/eth0/type": "1", "sys/class/net/eth0/device/uevent": ""}
    machine = lay(tmp_path, files | {"proc/net/route": table})
    assert machine.link() == "cellular"
    (tmp_path / "proc/net/route").write_text(table + route("eth0", 100))
    assert machine.link() == "ethernet"
