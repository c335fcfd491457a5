"""The C library as the tests have it: compiled with sanitizers, and driven over pipes."""

import shutil
import struct
import subprocess
from enum import IntEnum
from pathlib import Path
from typing import IO

import numpy as np

from firmware_bridge.frame import Batch, MarkMessage, Message, StreamDescription

HERE = Path(__file__).parent
FIRMWARE = Path(__file__).parents[3] / "firmware_bridge/firmware"
COMPILER = shutil.which("gcc")
STRICT = (
    *("-std=c99", "-pedantic", "-D_POSIX_C_SOURCE=200809L"),
    *("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wcast-qual", "-Werror"),
)
SANITIZED = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


class Status(IntEnum):
    """perfuse_status.h."""

    OK = 0
    RANGE = 1
    TEXT = 2
    SIZE = 3
    LOST = 4


def sources() -> list[Path]:
    """The library's own files."""
    return sorted((FIRMWARE / "src").glob("*.c"))


def compile_c(target: Path, *arguments: str | Path) -> str:
    """Compile with every warning an error; the compiler's words, which are none."""
    assert COMPILER is not None
    command = [COMPILER, *STRICT, "-I", FIRMWARE / "src", *arguments, "-o", target]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


class Driver:
    """driver.c as a process; what it writes on the line comes with each answer."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def close(self) -> None:
        """End it; a sanitizer's complaint fails the test."""
        _, err = self._process.communicate(timeout=20)
        assert self._process.returncode == 0, err.decode()

    def ask(self, command: bytes) -> tuple[Status, bytes]:
        """Status of a command and what went to the line."""
        self._pipe("stdin").write(command)
        self._pipe("stdin").flush()
        status, length = struct.unpack("<BI", self._take(5))
        return Status(status), self._take(length)

    def fresh(self) -> None:
        """Have the line begun: the next frame comes without the zero byte that ends a cut one."""
        self.ask(encode_command(MarkMessage(0, 0, None)))

    def _pipe(self, name: str) -> IO[bytes]:
        pipe = getattr(self._process, name)
        assert pipe is not None
        return pipe

    def _take(self, count: int) -> bytes:
        taken = self._pipe("stdout").read(count)
        if len(taken) < count:
            err = self._pipe("stderr").read()
            raise AssertionError(f"the driver ended: {err.decode()}")
        return taken


def encode_command(message: Message) -> bytes:
    """Write one message as a frame."""
    match message:
        case StreamDescription():
            return b"d" + _description(message)
        case Batch():
            return struct.pack(
                f"<cBIQH{len(message.readings)}s",
                b"b",
                message.stream_id,
                message.sequence,
                message.timestamp_ns,
                len(message.readings),
                message.readings,
            )
        case MarkMessage():
            return struct.pack("<cI", b"m", message.sequence) + _label(
                message.timestamp_ns, message.label
            )


def start_command(streams: list[tuple[StreamDescription, int]]) -> bytes:
    """Be a sensor of such streams, with buffers of so many bytes."""
    described = [_description(stream) + struct.pack("<H", size) for stream, size in streams]
    return struct.pack("<cB", b"S", len(streams)) + b"".join(described)


def reading_command(stream: int, timestamp_ns: int, values: list[int]) -> bytes:
    """Take one reading of int16[C]."""
    row = np.array(values, "<i2").tobytes()
    return struct.pack("<cBQB", b"r", stream, timestamp_ns, len(values)) + row


def label_command(timestamp_ns: int, label: str | None) -> bytes:
    """Mark."""
    return b"l" + _label(timestamp_ns, label)


def poll_command(now_ns: int) -> bytes:
    """Repeat the state if due."""
    return struct.pack("<cQ", b"p", now_ns)


def clock_command(what: bytes, counter: int, argument: int = 0) -> bytes:
    """``b"i"`` and ns a tick, ``b"s"`` and Unix time, or ``b"n"``."""
    return struct.pack("<ccIQ", b"c", what, counter, argument)


def room_command(room: int) -> bytes:
    """The line takes so many bytes and then no more; -1 for all."""
    return struct.pack("<ci", b"w", room)


def text(value: str | bytes) -> bytes:
    """A text of the driver: its length and its bytes."""
    octets = value.encode() if isinstance(value, str) else value
    return bytes((len(octets),)) + octets


def _label(timestamp_ns: int, label: str | None) -> bytes:
    return struct.pack("<QB", timestamp_ns, label is None) + text(label or "")


def _description(stream: StreamDescription) -> bytes:
    channels = [
        text(channel.name) + text(channel.unit) + struct.pack("<f", scale)
        for channel, scale in zip(stream.channels, stream.scales, strict=True)
    ]
    return b"".join(
        (
            bytes((stream.stream_id,)),
            text(stream.name),
            struct.pack("<QB", stream.interval_ns, len(stream.channels)),
            *channels,
        )
    )
