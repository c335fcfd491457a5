"""Running a service until a signal, and work until its end or a signal."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run_until_signal(service: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run ``service(stop)``; SIGTERM and SIGINT set ``stop``, and it ends in order."""

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await service(stop)

    asyncio.run(main())


def run_unless_terminated(work: Coroutine[Any, Any, T]) -> T:
    """Run a piece of work to its end; SIGTERM tidies up as Ctrl-C does.

    Raises:
        KeyboardInterrupt: either of them came; the work has been cancelled and is over.
    """

    async def main() -> T:
        task = asyncio.ensure_future(work)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await task

    try:
        return asyncio.run(main())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
