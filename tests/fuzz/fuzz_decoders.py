"""Coverage-guided fuzzing of every sensor decoder, for the nightly run.

    python tests/fuzz/fuzz_decoders.py CORPUS -max_total_time=600

needs atheris, which the tests do not. CORPUS is a folder; an empty one is filled with the frames of
tests/vectors/sensors.json. The first octet of an input chooses the decoder. Anything but a decoded
measurement or a FrameError ends the run with the input that did it.
"""

import json
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["firmware_bridge"]):
    from firmware_bridge.errors import FrameError
    from firmware_bridge.profiles import profile, profile_names
    from firmware_bridge.sampling import Arrival
    from firmware_bridge.serial_profiles.resync import FrameScanner

    _PROFILES = [profile(name) for name in profile_names()]

_ARRIVAL = Arrival(sensor="fuzz", received_ns=0)
_VECTORS = Path(__file__).parents[1] / "vectors/sensors.json"


def one_input(data: bytes) -> None:
    """Decode, show, sample, encode and decode again; scan where the profile is a serial one."""
    if not data:
        return
    found = _PROFILES[data[0] % len(_PROFILES)]
    frame = data[1:]
    if found.serial is not None:
        scanner = FrameScanner(found.serial)
        kept = b"".join(scanner.feed(frame))
        assert len(kept) + scanner.garbage + scanner.pending == len(frame)
        assert scanner.pending < found.serial.longest
    try:
        measurement = found.decode(frame)
    except FrameError:
        return
    json.dumps(found.to_json(measurement), allow_nan=False)
    found.to_samples(measurement, _ARRIVAL)
    if found.encode is None:
        return
    try:
        again = found.encode(measurement)
    except ValueError as error:
        if "more than an attribute holds" in str(error):
            return
        raise
    assert found.decode(again) == measurement


def fill(corpus: Path) -> None:
    """Write our vectors into an empty corpus, each after the octet that chooses its decoder."""
    corpus.mkdir(parents=True, exist_ok=True)
    if any(corpus.iterdir()):
        return
    names = profile_names()
    for index, vector in enumerate(json.loads(_VECTORS.read_text(encoding="utf-8"))):
        chosen = bytes((names.index(vector["profile"]),))
        (corpus / f"{index:03d}").write_bytes(chosen + bytes.fromhex(vector["hex"]))


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        if not argument.startswith("-"):
            fill(Path(argument))
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
