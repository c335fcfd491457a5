"""amqtt as a process, for machines without Mosquitto: the demo and development only.

amqtt queues nothing for anonymous clients, so that every client has to log in.
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
from pathlib import Path

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from broker.deploy.amqtt_ousting import OustingBroker


async def serve(config_path: Path) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        config_path: JSON with ``bind``, ``user``, ``password`` and ``directory``.
    """
    settings = json.loads(config_path.read_text())
    passwords = Path(settings["directory"]) / "amqtt-passwords"
    # Cheap to check on purpose: the password lives as long as this run, on the loopback.
    hasher = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=1024, parallelism=1),))
    passwords.write_text(f"{settings['user']}:{hasher.hash(settings['password'])}\n")
    config = {
        "listeners": {"default": {"type": "tcp", "bind": settings["bind"]}},
        "plugins": {
            "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": False},
            "amqtt.plugins.authentication.FileAuthPlugin": {"password_file": str(passwords)},
        },
    }
    broker = OustingBroker(config)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await broker.start()
    await stop.wait()
    await broker.shutdown()


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    asyncio.run(serve(Path(sys.argv[1])))
