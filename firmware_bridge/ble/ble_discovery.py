"""Which profiles a Bluetooth peripheral may have, by the services that it advertises."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from firmware_bridge.ble.adapter import Adapter
from firmware_bridge.profile import Access, Profile
from firmware_bridge.profiles import profile, profile_names
from firmware_bridge.sampling import no_samples


def profiles_of_services(services: Iterable[str]) -> tuple[str, ...]:
    """Names of the readable profiles of advertised services, the likeliest first.

    Those that measure something come before those that tell about the sensor, and what streams
    while it is worn before what is sent now and then.

    Args:
        services: 128-bit UUIDs, lower case.
    """
    heard = frozenset(services)
    found = [known for known in map(profile, profile_names()) if _reads(known, heard)]
    return tuple(known.name for known in sorted(found, key=_unlikeliness))


async def identify_peripheral(adapter: Adapter, address: str) -> tuple[str, ...]:
    """The likeliest profile of a peripheral, once it is heard; empty where it advertises none.

    Args:
        adapter: that hears it.
        address: of the peripheral, in any case.
    """
    wanted = address.upper()
    async with adapter.in_use(lambda: None):
        heard = await adapter.find(lambda heard: heard.address == wanted)
        adapter.release(heard)
    return profiles_of_services(heard.services)[:1]


def _reads(known: Profile[Any], heard: frozenset[str]) -> bool:
    gatt = known.gatt
    return gatt is not None and gatt.access is not Access.READ and gatt.service in heard


def _unlikeliness(known: Profile[Any]) -> tuple[bool, bool, bool, str]:
    assert known.gatt is not None
    return (
        known.to_samples is no_samples,
        known.gatt.interval_s is None,
        known.name == "battery",
        known.name,
    )
