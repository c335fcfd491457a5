"""The public key of each gateway: from a list, or pinned when it is first seen."""

from __future__ import annotations

from collections.abc import Mapping

from broker.aggregator.round_log import RoundLog


class GatewayKeys:
    """Whose signature counts for a gateway.

    Args:
        log: where keys are pinned.
        listed: gateway -> public key; the only gateways that may take part, when given.
    """

    def __init__(self, log: RoundLog, listed: Mapping[str, bytes] | None = None) -> None:
        self._log = log
        self._listed = listed
        self._keys = dict(log.gateway_keys() if listed is None else listed)

    def __len__(self) -> int:
        return len(self._keys)

    def known(self, gateway: str) -> bytes | None:
        """Return the key that a gateway's messages must be signed with."""
        return self._keys.get(gateway)

    def refusal(self, gateway: str, key: bytes) -> str:
        """Say why a gateway that shows ``key`` is not let in; empty when it is.

        A gateway that nobody knows is known by this key from now on, unless there is a list.
        """
        known = self._keys.get(gateway)
        if known == key:
            return ""
        if known is not None:
            where = "pinned" if self._listed is None else "listed"
            return (
                f"it shows key {key.hex()[:16]}..., {where} is {known.hex()[:16]}...; if it was "
                f"set up anew, {_REMEDY[where]}"
            )
        if self._listed is not None:
            return f"its key {key.hex()} is not in the list of gateways.keys_file"
        self._log.pin_gateway_key(gateway, key)
        self._keys[gateway] = key
        return ""


_REMEDY = {
    "pinned": "stop the aggregator and run: perfuse keys forget --config FILE --gateway NAME",
    "listed": "change gateways.keys_file",
}
