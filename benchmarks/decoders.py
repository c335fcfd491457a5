"""How many frames a second the sensor decoders take, on one core.

    python benchmarks/decoders.py [profile ...]

The frames are those of tests/vectors/sensors.json that decode; the aim is 300,000 heart-rate frames
a second, which is what a gateway needs for nothing to wait on the decoder. Figures are of seconds
on the wall and, after the slash, of CPU time, from which other programs of the machine take less.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from firmware_bridge.profile import Profile
from firmware_bridge.profiles import profile, profile_names
from firmware_bridge.sampling import Arrival
from firmware_bridge.serial_profiles.resync import FrameScanner

_VECTORS = Path(__file__).parents[1] / "tests/vectors/sensors.json"
_ARRIVAL = Arrival(sensor="bench", received_ns=0)
_COLUMNS = ("decoded", "as samples", "cut from a stream")
_SECONDS = 0.3
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Speed:
    """Pieces of work a second: on the wall, and of CPU time."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.wall / 1000:,.0f} k / {self.cpu / 1000:,.0f} k"


def per_second(work: Callable[[], None], count: int) -> Speed:
    """Best of some rounds: ``count`` pieces of work a call, as pieces a second."""
    wall = cpu = 0.0
    for _ in range(_ROUNDS):
        calls = 0
        begun, begun_cpu = time.perf_counter(), time.process_time()
        while (spent := time.perf_counter() - begun) < _SECONDS:
            work()
            calls += 1
        wall = max(wall, calls * count / spent)
        cpu = max(cpu, calls * count / (time.process_time() - begun_cpu))
    return Speed(wall, cpu)


def frames_of(name: str) -> list[bytes]:
    """Our frames of a profile that decode, repeated to a batch of about a thousand."""
    vectors = json.loads(_VECTORS.read_text(encoding="utf-8"))
    taken = [
        bytes.fromhex(vector["hex"])
        for vector in vectors
        if vector["profile"] == name and not vector.get("reject")
    ]
    return taken * (1000 // len(taken)) if taken else []


def measure(found: Profile[object], frames: list[bytes]) -> tuple[Speed, Speed, Speed | None]:
    """Frames a second: decoded; decoded and turned into samples; cut from a stream (serial)."""
    decode, to_samples = found.decode, found.to_samples

    def decoding() -> None:
        for frame in frames:
            decode(frame)

    def sampling() -> None:
        for frame in frames:
            to_samples(decode(frame), _ARRIVAL)

    scanned = None
    if found.serial is not None:
        stream, link = b"".join(frames), found.serial
        scanned = per_second(lambda: (FrameScanner(link).feed(stream), None)[1], len(frames))
    return per_second(decoding, len(frames)), per_second(sampling, len(frames)), scanned


def main() -> None:
    """Print a line for each profile."""
    print(f"{'frames a second':28}" + "".join(f"{what:>22}" for what in _COLUMNS))
    for name in sys.argv[1:] or ["heart_rate", *(n for n in profile_names() if n != "heart_rate")]:
        frames = frames_of(name)
        if not frames:
            continue
        speeds = measure(profile(name), frames)
        print(f"{name:28}" + "".join(f"{speed!s:>22}" for speed in speeds if speed is not None))


if __name__ == "__main__":
    main()
