"""What simulated gateways are beside their examples: their machines, links and manners. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from broker.aggregator.settings import AggregatorSettings
from broker.aggregator.task import Task
from broker.protocol.messages import Mode
from edge_agent.effects import Identity
from edge_agent.eligibility import UNKNOWN_LINK


@dataclass(frozen=True, slots=True)
class Traits:
    """Of a federation's gateways.

    Attributes:
        tiers: gateway -> capability tier; who is not there can train all.
        links: gateway -> class of its link, by which plans name codecs.
        quiet: whether gateways say only what the aggregator needs.
    """

    tiers: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    quiet: bool = False

    def identity(self, settings: AggregatorSettings, task: Task, gateway: str) -> Identity:
        """Return who a gateway is, in the population of these settings."""
        return Identity(
            settings.population,
            gateway,
            task.artifact,
            task.initial.size,
            settings.chunk_bytes,
            self.tiers.get(gateway, Mode.FULL),
            task.touched,
            task.layout,
            self.links.get(gateway, UNKNOWN_LINK),
            self.quiet,
        )
