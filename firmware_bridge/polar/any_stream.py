"""Any stream of PMD: all of them are notified on one characteristic, told apart by their type."""

from __future__ import annotations

from firmware_bridge.errors import FrameError
from firmware_bridge.polar import acc, ecg, gyro, ppg, ppi
from firmware_bridge.polar.pmd import PmdFrame, PmdType, pmd_json, pmd_link
from firmware_bridge.profile import JsonFields, Profile
from firmware_bridge.sample import Sample
from firmware_bridge.sampling import Arrival

NAME = "polar_pmd"

AnyFrame = PmdFrame | ppi.PpiFrame

_STREAMS = {
    PmdType.ECG: ecg,
    PmdType.PPG: ppg,
    PmdType.ACC: acc,
    PmdType.GYRO: gyro,
}


def decode(data: bytes) -> AnyFrame:
    """Decode one notification of whatever stream.

    Raises:
        FrameError: a measurement type that is not decoded here, or as the stream's own decoder.
    """
    if data and data[0] == PmdType.PPI:
        return ppi.decode(data)
    if not data or data[0] not in _STREAMS:
        raise FrameError(NAME, f"no stream begins with {bytes(data[:1]).hex() or 'nothing'}")
    frame: PmdFrame = _STREAMS[PmdType(data[0])].decode(data)
    return frame


def encode(m: AnyFrame) -> bytes:
    """Inverse of ``decode``.

    Raises:
        ValueError: as the stream's own encoder.
    """
    return ppi.encode(m) if isinstance(m, ppi.PpiFrame) else _STREAMS[m.kind].encode(m)


def to_json(m: AnyFrame) -> JsonFields:
    """Fields of the command line, with the measurement's name."""
    if isinstance(m, ppi.PpiFrame):
        return {"measurement": "ppi", **ppi.to_json(m)}
    return {"measurement": m.kind.name.lower(), **pmd_json(m)}


def to_samples(m: AnyFrame, arrival: Arrival) -> tuple[Sample, ...]:
    """As the stream's own."""
    if isinstance(m, ppi.PpiFrame):
        return ppi.to_samples(m, arrival)
    samples: tuple[Sample, ...] = _STREAMS[m.kind].to_samples(m, arrival)
    return samples


PROFILES = (
    Profile(
        name=NAME,
        title="Polar, any stream",
        decode=decode,
        encode=encode,
        to_json=to_json,
        to_samples=to_samples,
        gatt=pmd_link(),
    ),
)
