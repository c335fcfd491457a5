"""OpenBCI Cyton: 33-byte frames of eight electrodes and six auxiliary bytes, 250 a second.

OpenBCI's Cyton data format. Counts are 24-bit two's complement, most significant byte first; the
low four bits of the last byte say what the auxiliary bytes are.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import partial

import numpy as np

from firmware_bridge.errors import FrameError
from firmware_bridge.profile import JsonFields, Profile, SerialLink, json_fields
from firmware_bridge.sample import Channel, Sample
from firmware_bridge.sampling import Arrival, waveform
from firmware_bridge.serial_profiles.oximetry import whole

NAME = "openbci_cyton"
SIZE = 33
CHANNELS = 8
RATE_HZ = 250.0

_HEAD = 0xA0
_FOOT = 0xC0
_FOOT_ACCELERATION = 0xC0
# ADS1299: 4.5 V reference, gain 24 unless it was changed, 24-bit two's complement.
UV_PER_COUNT = 4.5e6 / 24 / (2**23 - 1)
# LIS3DH at +-4 g as the firmware sets it, twelve bits left-aligned in sixteen.
G_PER_COUNT = 0.002 / 16

_AXES = struct.Struct(">3h")
_ELECTRODES = tuple(Channel(f"ch{index}", "uV") for index in range(1, CHANNELS + 1))
_ACCELERATION = (Channel("ax", "[g]"), Channel("ay", "[g]"), Channel("az", "[g]"))


@dataclass(frozen=True, slots=True)
class CytonFrame:
    """One frame.

    Attributes:
        sample_number: 0 to 255, around and around.
        channels: counts of the eight electrodes.
        aux: the six auxiliary bytes.
        stop_byte: 0xC0 to 0xCF; 0xC0 where ``aux`` is an acceleration.
    """

    sample_number: int
    channels: tuple[int, ...]
    aux: bytes = bytes(6)
    stop_byte: int = _FOOT_ACCELERATION

    @property
    def acceleration(self) -> tuple[int, int, int] | None:
        """Counts of x, y and z; None where the auxiliary bytes are something else."""
        if self.stop_byte != _FOOT_ACCELERATION:
            return None
        x, y, z = _AXES.unpack(self.aux)
        return x, y, z


def match(buffer: bytes | bytearray, at: int) -> int:
    """As ``SerialLink.match``."""
    if buffer[at] != _HEAD:
        return -1
    if len(buffer) < at + SIZE:
        return 0
    return SIZE if buffer[at + SIZE - 1] & 0xF0 == _FOOT else -1


def decode(data: bytes) -> CytonFrame:
    """Decode one frame.

    Raises:
        FrameError: not 33 bytes, or another first or last byte.
    """
    if len(data) != SIZE or match(data, 0) != SIZE:
        raise FrameError(NAME, f"{len(data)} bytes from {bytes(data[:4]).hex()} are no frame")
    counts = tuple(int.from_bytes(data[at : at + 3], "big", signed=True) for at in range(2, 26, 3))
    return CytonFrame(data[1], counts, bytes(data[26:32]), data[32])


def encode(m: CytonFrame) -> bytes:
    """Inverse of ``decode``.

    Raises:
        ValueError: a value that does not fit, not eight channels or not six auxiliary bytes.
    """
    if len(m.channels) != CHANNELS or len(m.aux) != 6 or m.stop_byte & ~0x0F != _FOOT:
        raise ValueError(f"{m} is no frame")
    head = bytes((_HEAD, whole("sample number", m.sample_number, 0xFF)))
    try:
        counts = b"".join(count.to_bytes(3, "big", signed=True) for count in m.channels)
    except OverflowError as error:
        raise ValueError(f"{m.channels} do not fit 24 bits") from error
    return head + counts + m.aux + bytes((m.stop_byte,))


def to_json(m: CytonFrame) -> JsonFields:
    """Fields of the command line, in counts."""
    return json_fields(
        sample_number=m.sample_number,
        channels=m.channels,
        accel=m.acceleration,
        aux=m.aux.hex() if m.acceleration is None else None,
        stop_byte=m.stop_byte,
    )


def to_samples(m: CytonFrame, arrival: Arrival) -> tuple[Sample, ...]:
    """The electrodes in microvolts at gain 24 (else ``arrival.factor`` times that), acceleration.

    The accelerometer is slower than the electrodes: three zeros say that it has nothing new.
    """
    send = partial(waveform, arrival, timestamp_ns=arrival.received_ns)
    interval_ns = arrival.interval_ns(RATE_HZ)
    volts = np.array([m.channels], dtype=np.float32) * np.float32(UV_PER_COUNT * arrival.factor)
    samples = [send("exg", _ELECTRODES, volts, interval_ns=interval_ns)]
    axes = m.acceleration
    if axes is not None and any(axes):
        pull = np.array([axes], dtype=np.float32) * np.float32(G_PER_COUNT)
        samples.append(send("acceleration", _ACCELERATION, pull, interval_ns=0))
    return tuple(samples)


PROFILES = (
    Profile(
        name=NAME,
        title="OpenBCI Cyton",
        decode=decode,
        encode=encode,
        to_json=to_json,
        to_samples=to_samples,
        serial=SerialLink(match=match, longest=SIZE, baud=115200, start=b"b", stop=b"s"),
    ),
)
