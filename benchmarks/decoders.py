"""How many frames a second the sensor decoders take, on one core.

    python benchmarks/decoders.py [profile ...]

The frames are those of tests/vectors/sensors.json that decode; the aim is 300,000 heart-rate frames
a second, which is what a gateway needs for nothing to wait on the decoder.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from firmware_bridge.profile import Profile
from firmware_bridge.profiles import profile, profile_names
from firmware_bridge.sampling import Arrival
from firmware_bridge.serial_profiles.resync import FrameScanner

_VECTORS = Path(__file__).parents[1] / "tests/vectors/sensors.json"
_ARRIVAL = Arrival(sensor="bench", received_ns=0)
_SECONDS = 0.3
_ROUNDS = 3


def per_second(work: Callable[[], None], count: int) -> float:
    """Best of some rounds: ``count`` pieces of work a call, as pieces a second."""
    best = 0.0
    for _ in range(_ROUNDS):
        calls = 0
        begun = time.perf_counter()
        while (spent := time.perf_counter() - begun) < _SECONDS:
            work()
            calls += 1
        best = max(best, calls * count / spent)
    return best


def frames_of(name: str) -> list[bytes]:
    """Our frames of a profile that decode, repeated to a batch of about a thousand."""
    vectors = json.loads(_VECTORS.read_text(encoding="utf-8"))
    taken = [
        bytes.fromhex(vector["hex"])
        for vector in vectors
        if vector["profile"] == name and not vector.get("reject")
    ]
    return taken * (1000 // len(taken)) if taken else []


def measure(found: Profile[object], frames: list[bytes]) -> tuple[float, float, float | None]:
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
    print(f"{'profile':28}{'decode/s':>12}{'samples/s':>12}{'scan/s':>12}")
    for name in sys.argv[1:] or ["heart_rate", *(n for n in profile_names() if n != "heart_rate")]:
        frames = frames_of(name)
        if not frames:
            continue
        decoded, sampled, scanned = measure(profile(name), frames)
        tail = f"{scanned:12,.0f}" if scanned else ""
        print(f"{name:28}{decoded:12,.0f}{sampled:12,.0f}{tail}")


if __name__ == "__main__":
    main()
