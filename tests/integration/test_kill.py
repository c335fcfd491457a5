"""SIGKILL in the middle of a round: the run goes on and ends, on every broker we embed."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

from broker.protocol.messages import GatewayState
from tests.integration.conftest import LIMIT_S, all_in, federation

GATEWAYS = ["gw-1", "gw-2", "gw-3"]
ROUNDS = 3


def test_a_gateway_and_the_aggregator_are_killed_in_the_middle_of_a_round(tmp_path, broker):
    async def scenario() -> None:
        async with federation(tmp_path, broker) as fed:
            for seed, name in enumerate(GATEWAYS):
                # The one that is killed reads a Bluetooth sensor, the others read serial ones.
                fed.start_gateway(name, seed, "ble" if name == "gw-2" else "serial")
            aggregator = fed.start_aggregator(
                rounds=ROUNDS, min_gateways=len(GATEWAYS), min_reports=len(GATEWAYS)
            )
            await fed.until(lambda seen: _training(seen, "gw-2", 0))
            fed.kill("gw-2")
            await fed.until(lambda seen: _training(seen, "gw-1", 1))
            fed.kill("aggregator")
            await asyncio.wait_for(aggregator, LIMIT_S)
            await fed.until(lambda seen: all_in(seen, GATEWAYS, ROUNDS))
            assert fed.versions[-1] == ROUNDS

    asyncio.run(scenario())
    assert _folded(tmp_path) == [(n, 3) for n in range(1, ROUNDS + 2)]


def test_a_node_of_the_cluster_is_killed_in_the_middle_of_a_round(tmp_path, cluster):
    async def scenario() -> None:
        async with federation(tmp_path, cluster) as fed:
            for seed, name in enumerate(GATEWAYS):
                fed.start_gateway(name, seed)
            aggregator = fed.start_aggregator(
                rounds=ROUNDS,
                min_gateways=len(GATEWAYS),
                min_reports=len(GATEWAYS),
                # What the node had under way comes again after its ack_wait.
                deadline_s=300,
            )
            await fed.until(lambda seen: _training(seen, "gw-1", 0))
            cluster.kill_node(0)
            await fed.until(lambda seen: _training(seen, "gw-1", 1))
            await asyncio.to_thread(cluster.start_node, 0)
            await asyncio.wait_for(aggregator, LIMIT_S)
            await fed.until(lambda seen: all_in(seen, GATEWAYS, ROUNDS))

    asyncio.run(scenario())
    # Every gateway's update of every round, each once: none was lost with the node.
    assert _folded(tmp_path) == [(n, 3) for n in range(1, ROUNDS + 2)]


def _training(seen, name: str, version: int) -> bool:
    presence = seen.get(name)
    return (
        presence is not None
        and presence.state is GatewayState.TRAINING
        and presence.version == version
    )


def _folded(directory) -> list[tuple[int, int]]:
    """Return (committed round, its distinct gateways): each gateway exactly once in each round."""
    path = directory / "aggregator-state" / "rounds.sqlite"
    with closing(sqlite3.connect(path)) as db:
        return db.execute(
            "SELECT number, COUNT(DISTINCT gateway) FROM round JOIN folded USING (plan_id) "
            "WHERE state = 'committed' GROUP BY number ORDER BY number"
        ).fetchall()
