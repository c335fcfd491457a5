"""What an agent is told about one sensor."""

from __future__ import annotations

from dataclasses import dataclass

from broker.settings import SettingError, require_topic_name

SENSOR_KINDS = ("serial", "ble", "replay")
AUTO = "auto"


@dataclass(frozen=True, slots=True)
class SensorSettings:
    """One sensor.

    Attributes:
        name: what the gateway calls it.
        kind: ``"serial"``: frames over a serial line; ``"ble"``: a profile over Bluetooth LE;
            ``"replay"``: a recording of raw frames.
        profile: what it sends, such as ``"heart_rate"``; ``"auto"`` finds it out. Of a serial
            sensor perfuse's own frame when empty.
        port: of a serial sensor: path of the line, or a USB adapter's ``VID:PID[:SERIAL]``;
            ``/dev/serial/by-id/...`` stays the same over replugging.
        baudrate: of a serial sensor: bits a second; 0 is the profile's.
        parity: of a serial sensor: ``"N"``, ``"E"`` or ``"O"``; the profile's when empty.
        stop_bits: of a serial sensor: 1 or 2; 0 is the profile's.
        address: of a BLE sensor, such as ``"F1:00:00:00:00:07"``; the first one that advertises
            the profile's service when empty.
        adapter: of a BLE sensor: such as ``"hci1"``; the system's default one when empty.
        interval_s: of a BLE sensor: longest time between two values while it works; three of
            them without a value end the link. 0 is what the profile says.
        file: of a replay: a recording that ``perfuse sensors record`` made.
        speed: of a replay: 1 is real time, ``inf`` as fast as it is read.
        loop: of a replay: whether it begins anew at its end.
        faults: of a replay: such as ``"drop=0.01,flip=0.001"``.
        seed: of a replay: decides which frames the faults hit.

    Raises:
        SettingError: a value that cannot be, by its key.
    """

    name: str
    port: str = ""
    kind: str = "serial"
    baudrate: int = 0
    parity: str = ""
    stop_bits: int = 0
    profile: str = ""
    address: str = ""
    adapter: str = ""
    interval_s: float = 0.0
    file: str = ""
    speed: float = 1.0
    loop: bool = False
    faults: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        require_topic_name("sensor.name", self.name)
        if self.kind not in SENSOR_KINDS:
            raise SettingError(
                "sensor.kind", f"{self.kind!r} is not one of {', '.join(SENSOR_KINDS)}"
            )
        # A gateway does not pay for the memory of kinds that it has not.
        if self.kind == "ble":
            from edge_agent.ble_settings import require_ble  # noqa: PLC0415  # as above

            require_ble(self)
        elif self.kind == "replay":
            from edge_agent.replay_settings import require_replay  # noqa: PLC0415  # as above

            require_replay(self)
        else:
            from edge_agent.serial_settings import require_serial  # noqa: PLC0415  # as above

            require_serial(self)
