"""What the library costs a microcontroller: under 2 KB of memory, no allocation, no recursion."""

import re
import shutil
import subprocess
import tomllib
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

from tests.firmware_bridge.firmware.compiled import COMPILER, FIRMWARE, compile_c, sources

needs_gcc = pytest.mark.skipif(COMPILER is None, reason="gcc is not installed")

MEMORY_BYTES = 2048
# What the library may ask of the C library; none of it allocates.
ALLOWED = {"memcpy", "memset", "strlen"}
# Handed in by the application: its own stack is its own affair.
INDIRECT = "__indirect_call"


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    """The library and the example, compiled as for a board, with gcc's account of the stack."""
    folder = tmp_path_factory.mktemp("board")
    made = []
    for source in [*sources(), FIRMWARE / "examples/linux/wrist_imu.c"]:
        target = folder / f"{source.stem}.o"
        compile_c(target, "-Os", "-c", "-fno-pie", "-fcallgraph-info=su", source)
        made.append(target)
    return made


def stack_bytes(objects):
    """Bytes of stack below each function, by gcc's call graphs; recursion is an error."""
    frames, calls = {}, {}
    for target in objects:
        graph = target.with_suffix(".ci").read_text()
        for name, size, kind in re.findall(
            r'title: "([^"]+)" label: "[^"]*\\n(\d+) bytes \(([^)]*)\)', graph
        ):
            assert kind == "static", f"{name} has a {kind} stack"
            frames[name] = int(size)
        for caller, callee in re.findall(r'sourcename: "([^"]+)" targetname: "([^"]+)"', graph):
            calls.setdefault(caller, set()).add(callee)

    below = []

    @cache
    def deepest(name):
        assert name not in below, f"{name} calls itself"
        below.append(name)
        under = max((deepest(callee) for callee in calls.get(name, ())), default=0)
        below.pop()
        # A call pushes the address to return to.
        return frames.get(name, 0) + 8 + under

    assert "perfuse_sensor_reading" in frames
    return {name: deepest(name) for name in frames}


def listed(objects):
    """What nm says of objects."""
    nm = shutil.which("nm")
    command = [nm, "--print-size", "--radix=d", *objects]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def variables(objects):
    """Size of each variable by its name; constants stand in flash and are none."""
    found = re.findall(r"^\d+ (\d+) (\w) (\S+)$", listed(objects), re.MULTILINE)
    return {name: int(size) for size, kind, name in found if kind in "bBdDC"}


def of_library(objects):
    return [target for target in objects if target.stem != "wrist_imu"]


@needs_gcc
def test_the_library_has_no_memory_of_its_own(objects):
    assert variables(of_library(objects)) == {}


@needs_gcc
def test_it_neither_allocates_nor_prints(objects):
    names = listed(of_library(objects))
    wanted = set(re.findall(r"^ +U (\S+)$", names, re.MULTILINE))
    own = set(re.findall(r"^\d+ \d+ T (\S+)$", names, re.MULTILINE))
    assert wanted - own <= ALLOWED


@needs_gcc
def test_an_example_sensor_and_its_stack_take_less_than_2_kib(objects):
    example = [target for target in objects if target.stem == "wrist_imu"]
    static = variables(example)
    assert static.keys() == {"memory"}
    stack = stack_bytes(objects)["main"]
    assert static["memory"] > 0
    assert static["memory"] + stack < MEMORY_BYTES, f"{static['memory']} bytes and {stack} of stack"


def test_the_sources_ship_with_the_package():
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())
    patterns = project["tool"]["setuptools"]["package-data"]["firmware_bridge"]
    package = FIRMWARE.parent
    files = [path for path in FIRMWARE.rglob("*") if path.is_file()]
    assert len(files) > 20
    for path in files:
        relative = str(path.relative_to(package))
        assert any(fnmatch(relative, pattern) for pattern in patterns), relative
