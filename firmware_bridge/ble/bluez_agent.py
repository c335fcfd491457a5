"""The agent that BlueZ asks before it bonds: without one it refuses even a bond that asks nobody.

Since 2024 Linux has every "just works" pairing confirmed by bluetoothd, which confirms what the
gateway itself began, but only if somebody has registered an agent (org.bluez.Agent(5)). Everything
else that an agent is asked, such as a stranger's wish to bond, is rejected.
"""

from __future__ import annotations

from dbus_fast import Message, MessageFlag, MessageType
from dbus_fast.aio import MessageBus

_BLUEZ = "org.bluez"
_MANAGER = "org.bluez.AgentManager1"
_AGENT = "org.bluez.Agent1"
_PATH = "/org/perfuse/agent"
_QUIET = MessageFlag.NO_AUTOSTART | MessageFlag.NO_REPLY_EXPECTED


async def offer_agent(bus: MessageBus) -> None:
    """Register as the agent of pairings that have no other, if bluetoothd is there.

    Whoever pairs by hand, as with bluetoothctl, keeps an agent of their own.
    """
    await bus.send(_to_manager("RegisterAgent", "os", [_PATH, "NoInputNoOutput"]))
    await bus.send(_to_manager("RequestDefaultAgent", "o", [_PATH]))


def answer_agent(message: Message) -> Message | None:
    """The agent's answer to a call of bluetoothd; None for what is not the agent's."""
    if message.message_type is not MessageType.METHOD_CALL or message.interface != _AGENT:
        return None
    if message.member in ("Release", "Cancel"):
        return Message.new_method_return(message)
    return Message.new_error(message, "org.bluez.Error.Rejected", "a gateway has nobody to ask")


def _to_manager(member: str, signature: str, body: list[str]) -> Message:
    return Message(
        destination=_BLUEZ,
        path="/org/bluez",
        interface=_MANAGER,
        member=member,
        signature=signature,
        body=body,
        flags=_QUIET,
    )
