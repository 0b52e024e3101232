"""A shopper as a generation knows them, with what they did since folded in."""

from collections.abc import Callable
from typing import Protocol

from penchant.serving.folding.folding import Folding, folding_of
from penchant.serving.folding.history import History
from penchant.serving.fresh.events import Event
from penchant.serving.fresh.weighing import weighed
from penchant.serving.generations.opened import OpenGeneration
from penchant.serving.recommending.shopper import Shopper, published_vector


class EventsSince(Protocol):
    """``FreshEvents``, or these and what somebody supposes."""

    def of(self, user_id: str, last_feedback: str | None) -> list[Event]:
        """A shopper's events that a snapshot does not have, as they were received; each once."""


class FreshShoppers:
    """Safe to share between threads. ``folded`` is called for each vector that is made anew."""

    def __init__(self, events: EventsSince, folded: Callable[[], None] = lambda: None) -> None:
        self._events, self._folded = events, folded

    def of(self, opened: OpenGeneration, user_id: str) -> Shopper:
        """As published where nothing came since, or nothing about an item that the encoder knows;
        so too where the generation has no encoder."""
        fresh = self._since(opened, user_id)
        bought = frozenset(
            event.item_id for event in fresh if event.item_id and event.event_type == "purchase"
        )
        folding = folding_of(opened)
        if fresh and folding:
            later = weighed(fresh, folding.learned_from, folding.as_of)
            if folding.encoder.knows(later):
                vector_D = folding.fold(folding.history(user_id).then(later))
                self._folded()
                return Shopper(user_id, vector_D, folded=True, bought_since=bought)
        return Shopper(user_id, published_vector(opened, user_id), bought_since=bought)

    def history(self, opened: OpenGeneration, folding: Folding, user_id: str) -> History:
        """What the vector of ``of`` is made of."""
        fresh = self._since(opened, user_id)
        later = weighed(fresh, folding.learned_from, folding.as_of)
        return folding.history(user_id).then(later)

    def _since(self, opened: OpenGeneration, user_id: str) -> list[Event]:
        return self._events.of(user_id, opened.generation.last_feedback)
