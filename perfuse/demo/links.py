"""The demo's links: every gateway behind a proxy of its own, as slow and as unreliable as asked."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from broker.settings import BrokerSettings, SettingError
from perfuse.link.profiles import LinkProfile
from perfuse.link.proxy import LinkProxy, Route, opened
from perfuse.link.timeline import EventKind, LinkEvent

_HOST = "127.0.0.1"
_KEEPALIVE_S = 60
_LEAST_KEEPALIVE_S = 5


@dataclass(frozen=True, slots=True)
class LinkState:
    """What the screen shows of a gateway's link.

    Attributes:
        up: whether it is there.
        carried_bytes: both ways, lost on the way too.
    """

    up: bool
    carried_bytes: int

    def __str__(self) -> str:
        return f"link {'up' if self.up else 'DOWN':<4} {self.carried_bytes / 1024:>6.0f} KiB"


@dataclass(slots=True)
class Links:
    """A link for each gateway; without a profile, the broker's own address for all.

    Args:
        profile: what kind of links.
        speed: the links' seconds in a real one.
    """

    profile: LinkProfile | None
    speed: float
    outages: int = 0
    _proxies: dict[str, LinkProxy] = field(default_factory=dict)
    _url: str = ""

    @contextlib.asynccontextmanager
    async def opened(self, url: str, gateways: list[str]) -> AsyncIterator[None]:
        """Be there for as long as a block runs. The number of a gateway is its link's seed.

        Raises:
            SettingError: the broker cannot be reached through a link.
            LinkError: a link cannot listen.
        """
        self._url = url
        async with contextlib.AsyncExitStack() as stack:
            if self.profile is not None:
                route = Route(*_plain_address(url))
                for seed, name in enumerate(gateways, 1):
                    proxy = LinkProxy(self.profile, seed, route, speed=self.speed, said=self._count)
                    self._proxies[name] = await stack.enter_async_context(opened(proxy))
            yield

    def broker(self, gateway: str) -> dict[str, object]:
        """Return the settings of a gateway's broker, which is at the other end of its link."""
        if (proxy := self._proxies.get(gateway)) is None:
            return {"url": self._url}
        parts = urlsplit(self._url)
        user = parts.netloc.rpartition("@")
        netloc = f"{user[0]}{user[1]}{_HOST}:{proxy.port}"
        # A minute of silence is noticed after a minute of the link's, as far as the settings go.
        keepalive_s = max(_LEAST_KEEPALIVE_S, round(_KEEPALIVE_S / self.speed))
        return {"url": f"mqtt://{netloc}", "keepalive_s": min(keepalive_s, _KEEPALIVE_S)}

    def state(self, gateway: str) -> LinkState | None:
        """Return a gateway's link, if there are links."""
        if (proxy := self._proxies.get(gateway)) is None:
            return None
        return LinkState(proxy.is_up, proxy.up.spent + proxy.down.spent)

    def enough(self, gateways: int) -> tuple[int, int]:
        """Return for how many gateways a round waits, and how many reports it needs."""
        if self.profile is None:
            return gateways, gateways
        waited_for = self.profile.min_gateways(gateways)
        return waited_for, self.profile.min_reports(waited_for)

    @property
    def patience_s(self) -> float:
        """Real seconds that an outage may add to whatever is waited for."""
        return 0.0 if self.profile is None else 2 * self.profile.mean_outage_s / self.speed

    @property
    def carried_bytes(self) -> tuple[int, int]:
        """Bytes of all links, up and down, lost on the way too."""
        proxies = self._proxies.values()
        return sum(proxy.up.spent for proxy in proxies), sum(proxy.down.spent for proxy in proxies)

    def _count(self, event: LinkEvent) -> None:
        self.outages += event.kind is EventKind.DOWN


def _plain_address(url: str) -> tuple[str, int]:
    settings = BrokerSettings(url=url)
    if settings.tls:
        raise SettingError(
            "--broker",
            "with --link it is mqtt://: a certificate names the broker, not the link before it",
        )
    return settings.addresses[0]
