"""Folds again what the log holds of a round that was open at a restart, a few updates at a time."""

from __future__ import annotations

from itertools import islice

from broker.aggregator.admission import family, seed_of
from broker.aggregator.events import UpdateUnreadable
from broker.aggregator.kept_updates import KeptUpdate
from broker.aggregator.open_round import OpenRound
from broker.aggregator.round_log import RoundLog
from broker.protocol import wire
from broker.protocol.errors import ProtocolError
from broker.protocol.messages import UpdateOffer

# Between two of them the aggregator answers, if only that it is recovering.
_AT_ONCE = 256


class Replay:
    """Offers must wait until it is :attr:`over`.

    An update that cannot be read any more, for another version wrote it or the disk lost a bit,
    is let go of and said: it must neither end the aggregator at every start nor be waited for.
    """

    def __init__(self, log: RoundLog, open_round: OpenRound) -> None:
        self._log = log
        self._open = open_round
        self._kept = log.updates(open_round.round.number)
        self.over = False

    def go_on(self) -> list[UpdateUnreadable]:
        """Fold some; returns what could not be."""
        batch = list(islice(self._kept, _AT_ONCE))
        self.over = len(batch) < _AT_ONCE
        unreadable = []
        for kept in batch:
            try:
                self._fold(kept)
            except ProtocolError as error:
                unreadable.append((kept, str(error)))
        # Only now, for on a full disk it cannot be written, and the rest must count all the same.
        for kept, _ in unreadable:
            self._log.let_go(kept)
        number = self._open.round.number
        return [UpdateUnreadable(number, kept.gateway, why) for kept, why in unreadable]

    def _fold(self, kept: KeptUpdate) -> None:
        offer = wire.decode_stored(kept.offer, UpdateOffer)
        plan = self._log.plan(family(kept.plan)[0]) or self._open.round.plan
        update = self._open.decode(offer, kept.payload, seed_of(plan, kept.plan))
        self._open.fold(offer, update, kept.discount)
