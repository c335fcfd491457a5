"""Which Bluetooth adapter a configuration names: one of this machine, or a simulated one."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from perfuse.commands.missing import MissingExtraError

if TYPE_CHECKING:
    from firmware_bridge.ble import Adapter

_LOG = logging.getLogger(__name__)


def open_adapter(name: str) -> Adapter:
    """Return an adapter by the name in the configuration; a gateway pays for the kind that it has.

    Raises:
        MissingExtraError: it is a simulated one and bumble is not installed.
    """
    if name.startswith("virtual:"):
        try:
            from firmware_bridge.simulate.virtual_adapter import open_virtual_adapter
        except ModuleNotFoundError as error:
            raise MissingExtraError(error.name or "bumble", "demo") from error
        _LOG.warning("%s is a simulated Bluetooth adapter: no real sensor is read with it", name)
        return open_virtual_adapter(name)
    from firmware_bridge.ble.system_adapter import open_system_adapter

    return open_system_adapter(name)
