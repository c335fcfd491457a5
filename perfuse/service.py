"""Running a service until a signal: one loop, one stop event."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable


def run_until_signal(service: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run ``service(stop)``; SIGTERM and SIGINT set ``stop``, and it ends in order."""

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await service(stop)

    asyncio.run(main())
