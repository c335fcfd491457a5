"""Three nats-server nodes on this machine that are one MQTT broker, from ``nats/node.conf``."""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path

from broker.deploy.processes import (
    BrokerError,
    Process,
    await_port,
    free_port,
    kill,
    required_program,
    start,
    stop,
)
from broker.deploy.templates import filled

NODES = 3
_KIND = "nats-server"
_HOST = "127.0.0.1"
_USER = "perfuse"
_QUORUM_LIMIT_S = 30.0


class NatsCluster:
    """A cluster that can lose a node. It listens on 127.0.0.1, with a password made for this run.

    Args:
        directory: for configurations, logs and JetStream's files.
        ack_wait_s: what was not acknowledged after so long is sent again.
    """

    kind = _KIND

    def __init__(self, directory: Path, ack_wait_s: int = 30) -> None:
        self._directory = directory
        self._ack_wait_s = ack_wait_s
        # A letter first: in nats-server's configuration what begins with a digit is a number.
        self._password = f"p{secrets.token_hex(16)}"
        ports = {free_port(_HOST) for _ in range(3 * NODES)}
        while len(ports) < 3 * NODES:
            ports.add(free_port(_HOST))
        numbers = sorted(ports)
        self._mqtt = numbers[:NODES]
        self._client = numbers[NODES : 2 * NODES]
        self._routes = numbers[2 * NODES :]
        self._nodes: list[Process | None] = [None] * NODES

    @property
    def urls(self) -> tuple[str, ...]:
        """The nodes' addresses with user name and password."""
        return tuple(f"mqtt://{_USER}:{self._password}@{_HOST}:{port}" for port in self._mqtt)

    def start(self) -> None:
        """Start all nodes and wait until they have chosen a leader.

        Raises:
            BrokerError: a node does not start, or they do not agree.
        """
        for index in range(NODES):
            self._launch(index)
        for index in range(NODES):
            self._await_node(index)
        self._await_quorum()

    def start_node(self, index: int) -> None:
        """Start a node again.

        Raises:
            BrokerError: it does not start.
        """
        self._launch(index)
        self._await_node(index)

    def kill_node(self, index: int) -> None:
        """End a node with SIGKILL."""
        node, self._nodes[index] = self._nodes[index], None
        if node is not None:
            kill(node)

    def stop(self) -> None:
        """End every node."""
        nodes, self._nodes = self._nodes, [None] * NODES
        for node in nodes:
            if node is not None:
                stop(node)

    def _launch(self, index: int) -> None:
        program = required_program(_KIND, _KIND)
        store = self._directory / f"node-{index}"
        store.mkdir(parents=True, exist_ok=True)
        routes = ", ".join(f'"nats-route://{_HOST}:{port}"' for port in self._routes)
        config = self._directory / f"node-{index}.conf"
        config.write_text(
            filled(
                "nats/node.conf",
                name=f"node-{index}",
                host=_HOST,
                client_port=self._client[index],
                route_port=self._routes[index],
                mqtt_port=self._mqtt[index],
                directory=store,
                routes=routes,
                ack_wait=f"{self._ack_wait_s}s",
            )
        )
        env = os.environ | {"PERFUSE_NATS_PASSWORD": self._password}
        self._nodes[index] = start([program, "-c", str(config)], self._log(index), env)

    def _await_node(self, index: int) -> None:
        node = self._nodes[index]
        assert node is not None
        await_port(_KIND, node, _HOST, self._mqtt[index], self._log(index))

    def _await_quorum(self) -> None:
        limit = time.monotonic() + _QUORUM_LIMIT_S
        while time.monotonic() < limit:
            said = (self._log(index).read_text(errors="replace") for index in range(NODES))
            if any("JetStream cluster new metadata leader" in text for text in said):
                return
            time.sleep(0.1)
        self.stop()
        raise BrokerError(_KIND, "the nodes do not agree on a leader")

    def _log(self, index: int) -> Path:
        return self._directory / f"node-{index}.log"
