"""What a sensor says about itself (Device Information Service 1.2).

One profile per characteristic, because the bytes of a string do not tell which string it is.
"""

from __future__ import annotations

from dataclasses import dataclass

from firmware_bridge.errors import FrameError
from firmware_bridge.gatt.octets import MAX_ATTRIBUTE_OCTETS, OctetReader, OctetWriter
from firmware_bridge.gatt.uuids import sig_uuid
from firmware_bridge.profile import Access, GattLink, JsonFields, Profile, json_fields
from firmware_bridge.sampling import no_samples

_SERVICE = sig_uuid(0x180A)


@dataclass(frozen=True, slots=True)
class SystemId:
    """System ID, 0x2A23: a manufacturer's number of 40 bits and its OUI of 24."""

    manufacturer: int
    oui: int


@dataclass(frozen=True, slots=True)
class PnpId:
    """PnP ID, 0x2A50: whose vendor number (1 Bluetooth SIG, 2 USB), and what it made."""

    vendor_source: int
    vendor: int
    product: int
    version: int


def decode_system_id(data: bytes) -> SystemId:
    """Decode one System ID.

    Raises:
        FrameError: not eight octets.
    """
    octets = OctetReader("system_id", data)
    system_id = SystemId(octets.unsigned("manufacturer", 5), octets.unsigned("OUI", 3))
    octets.end()
    return system_id


def encode_system_id(m: SystemId) -> bytes:
    """Inverse of ``decode_system_id``.

    Raises:
        ValueError: a number that does not fit.
    """
    octets = OctetWriter()
    octets.unsigned("manufacturer", m.manufacturer, 5)
    octets.unsigned("OUI", m.oui, 3)
    return octets.finish()


def decode_pnp_id(data: bytes) -> PnpId:
    """Decode one PnP ID.

    Raises:
        FrameError: not seven octets, or a vendor source that is neither SIG nor USB.
    """
    octets = OctetReader("pnp_id", data)
    source = octets.u8("vendor source")
    if source not in (1, 2):
        raise octets.refuse(f"vendor source {source}")
    pnp = PnpId(source, octets.u16("vendor"), octets.u16("product"), octets.u16("version"))
    octets.end()
    return pnp


def encode_pnp_id(m: PnpId) -> bytes:
    """Inverse of ``decode_pnp_id``.

    Raises:
        ValueError: a number that does not fit.
    """
    octets = OctetWriter()
    octets.u8("vendor source", m.vendor_source)
    for field, value in (("vendor", m.vendor), ("product", m.product), ("version", m.version)):
        octets.u16(field, value)
    return octets.finish()


def _string_profile(name: str, number: int, title: str) -> Profile[str]:
    def decode(data: bytes) -> str:
        if len(data) > MAX_ATTRIBUTE_OCTETS:
            raise FrameError(name, f"{len(data)} octets, more than an attribute holds")
        try:
            # Sensors in the field end these strings with C's NUL, though the service asks for none.
            return bytes(data).decode("utf-8").rstrip("\0")
        except UnicodeDecodeError as error:
            raise FrameError(name, f"no UTF-8 at octet {error.start}") from error

    def encode(text: str) -> bytes:
        octets = OctetWriter()
        octets.octets(text.encode("utf-8"))
        return octets.finish()

    def to_json(text: str) -> JsonFields:
        return json_fields(value=text)

    return Profile(
        name=name,
        title=title,
        aliases=(f"DIS_{number:04X}",),
        decode=decode,
        encode=encode,
        to_json=to_json,
        to_samples=no_samples,
        gatt=GattLink(_SERVICE, sig_uuid(number), Access.READ),
    )


def _system_id_json(m: SystemId) -> JsonFields:
    return json_fields(manufacturer=m.manufacturer, oui=m.oui)


def _pnp_id_json(m: PnpId) -> JsonFields:
    return json_fields(
        vendor_source=m.vendor_source, vendor=m.vendor, product=m.product, version=m.version
    )


PROFILES: tuple[Profile[str] | Profile[SystemId] | Profile[PnpId], ...] = (
    _string_profile("manufacturer_name", 0x2A29, "Manufacturer's name"),
    _string_profile("model_number", 0x2A24, "Model number"),
    _string_profile("serial_number", 0x2A25, "Serial number"),
    _string_profile("firmware_revision", 0x2A26, "Firmware revision"),
    _string_profile("hardware_revision", 0x2A27, "Hardware revision"),
    _string_profile("software_revision", 0x2A28, "Software revision"),
    Profile(
        name="system_id",
        title="System ID",
        aliases=("DIS_2A23",),
        decode=decode_system_id,
        encode=encode_system_id,
        to_json=_system_id_json,
        to_samples=no_samples,
        gatt=GattLink(_SERVICE, sig_uuid(0x2A23), Access.READ),
    ),
    Profile(
        name="pnp_id",
        title="PnP ID",
        aliases=("DIS_2A50",),
        decode=decode_pnp_id,
        encode=encode_pnp_id,
        to_json=_pnp_id_json,
        to_samples=no_samples,
        gatt=GattLink(_SERVICE, sig_uuid(0x2A50), Access.READ),
    ),
)
