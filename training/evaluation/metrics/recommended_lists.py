"""The input of the beyond-accuracy metrics: what was recommended, and facts about the catalogue."""

from dataclasses import dataclass

from training.data.histories import IntArray

NO_ITEM = -1


@dataclass(frozen=True)
class RecommendedLists:
    """The first ten items of U users. L: levels of the category tree.

    ``items_UK``: best first, ``NO_ITEM`` where a list is shorter. ``counts_I``: events of each item
    before the window. ``categories_IL``: see ``training.data.catalogue.category_codes``.
    """

    items_UK: IntArray
    counts_I: IntArray
    categories_IL: IntArray

    @property
    def items_N(self) -> IntArray:
        """Every recommended item, once for each list that contains it."""
        return self.items_UK[self.items_UK != NO_ITEM]
