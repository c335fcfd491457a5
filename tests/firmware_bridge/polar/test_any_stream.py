import pytest

from firmware_bridge.polar.any_stream import decode, encode, to_json, to_samples
from firmware_bridge.sampling import Arrival

TIME = "00ca9a3b00000000"


@pytest.mark.parametrize(
    ("frame", "measurement", "stream"),
    [
        ("00" + TIME + "00010000", "ecg", "ecg"),
        ("01" + TIME + "00" + "010000" * 4, "ppg", "ppg"),
        ("02" + TIME + "010100ffffe803", "acc", "acceleration"),
        ("03" + TIME + "003ce8030a0007", "ppi", "ppi"),
        ("05" + TIME + "800100ffffe803", "gyro", "gyroscope"),
    ],
)
def test_each_stream_goes_to_its_own_decoder(frame: str, measurement: str, stream: str) -> None:
    octets = bytes.fromhex(frame)
    found = decode(octets)
    assert encode(found) == octets
    assert to_json(found)["measurement"] == measurement
    assert to_samples(found, Arrival("polar", received_ns=0))[0].stream == stream
