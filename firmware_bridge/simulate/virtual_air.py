"""The air between simulated sensors and a simulated adapter: a virtual radio in this process."""

from __future__ import annotations

import asyncio

from bumble.controller import Controller
from bumble.core import PhysicalTransport
from bumble.device import Device, DeviceConfiguration
from bumble.hci import Address, LeFeatureMask
from bumble.host import Host
from bumble.link import LocalLink
from bumble.pairing import PairingConfig, PairingDelegate
from bumble.transport.common import AsyncPipeSink

GATEWAY_ADDRESS = "F0:00:00:00:00:01"


class VirtualAir:
    """Where simulated devices hear each other. Make and use it inside a running loop."""

    def __init__(self) -> None:
        self._link = _Link()

    async def gateway(self) -> Device:
        """The gateway's own adapter, powered on; see ``bleak_backend`` for its use."""
        device = self.device("gateway", GATEWAY_ADDRESS)
        await device.power_on()
        return device

    def device(self, name: str, address: str) -> Device:
        """A device in this air, not powered on.

        Args:
            name: what it calls itself.
            address: a static random one, such as ``"F1:00:00:00:00:07"``.
        """
        controller = self.controller(name)
        host = Host(controller, AsyncPipeSink(controller))
        config = DeviceConfiguration(name=name, address=Address(address))
        device = Device(config=config, host=host)
        bond_just_works(device)
        return device

    def controller(self, name: str) -> Controller:
        """A controller in this air, without a host."""
        controller = Controller(name, link=self._link)
        # Resolvable addresses and extended advertisements are what stacks trip over, not sensors.
        controller.le_features &= ~(
            LeFeatureMask.LL_PRIVACY | LeFeatureMask.LE_EXTENDED_ADVERTISING
        )
        return controller

    def remove(self, controller: Controller) -> None:
        """A controller is heard and hears no more."""
        self._link.remove_controller(controller)


class _Link(LocalLink):
    """Data comes from the address that a connection was made with.

    bumble's own link names the sender's random address of now; a kernel takes a new one for every
    scan and connects by its public one, so that nothing it sends would ever be heard.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # bumble annotates in parts

    def send_acl_data(
        self,
        sender_controller: Controller,
        destination_address: Address,
        transport: PhysicalTransport,
        data: bytes,
    ) -> None:
        """Hand data to the other end of a connection; without one it is lost, as in the air."""
        connection = sender_controller.le_connections.get(destination_address)
        receiver = self.find_le_controller(destination_address)
        if connection is None or receiver is None:
            return
        asyncio.get_running_loop().call_soon(
            receiver.on_link_acl_data, connection.self_address, transport, data
        )


def bond_just_works(device: Device) -> None:
    """Have a device bond as sensors do that have neither a display nor keys."""
    device.pairing_config_factory = lambda _connection: _just_works()


def _just_works() -> PairingConfig:
    # Without identity keys: addresses never change here, and have no other to resolve to.
    key = PairingDelegate.KeyDistribution.DISTRIBUTE_ENCRYPTION_KEY
    delegate = PairingDelegate(
        PairingDelegate.IoCapability.NO_OUTPUT_NO_INPUT,
        local_initiator_key_distribution=key,
        local_responder_key_distribution=key,
    )
    return PairingConfig(sc=True, mitm=False, bonding=True, delegate=delegate)
