"""What a warm fit starts from: the learned weights of an earlier run, with new items grown in.

An embedding row is found by its item. An item that is new, or was too rare for a row of its own,
starts from the row that all such items shared: the parent scores it with that.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import torch
from torch import nn

from penchant.errors import PenchantError

State = dict[str, torch.Tensor]

NEW = -1
"""The place of an item that the parent doesn't have."""


class CannotStartWarm(PenchantError):
    """What a family would start from doesn't fit its data. ``cause``: why; it is fitted cold."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause, "none: the family is fitted cold")


@dataclass(frozen=True)
class Parent:
    """The run that a fit starts from. ``state``: of its model. ``places_I``: the place of each item
    in its catalogue, or NEW."""

    run_id: str
    state: State
    places_I: torch.Tensor

    def part(self, prefix: str) -> "Parent":
        """Of a part of the model, whose names begin with a prefix."""
        named = self.state.items()
        part = {
            name.removeprefix(prefix): value for name, value in named if name.startswith(prefix)
        }
        return replace(self, state=part)

    def of_items(self, name: str, new_I: torch.Tensor) -> torch.Tensor:
        """A tensor of items, with the values of ``new_I`` for those that the parent doesn't
        have."""
        found_I = self.tensor(name)
        if found_I.shape[1:] != new_I.shape[1:]:
            raise CannotStartWarm(f"the parent's {name} is of another shape")
        known_I = self.places_I != NEW
        grown_I = new_I.clone()
        grown_I[known_I] = found_I[self.places_I[known_I]].to(new_I)
        return grown_I

    def require_equal(self, name: str, values_I: torch.Tensor) -> None:
        """Raise CannotStartWarm unless what is known of the parent's items is what it was."""
        known_I = self.places_I != NEW
        before = self.tensor(name)
        if before.shape[1:] != values_I.shape[1:] or not torch.equal(
            before[self.places_I[known_I]], values_I[known_I].cpu()
        ):
            raise CannotStartWarm(f"{name} of the parent's items has changed")

    def tensor(self, name: str) -> torch.Tensor:
        if name not in self.state:
            raise CannotStartWarm(f"the parent has no {name}")
        return self.state[name]

    @torch.no_grad()
    def continue_in(
        self, network: nn.Module, tables: Mapping[str, int], items: Collection[str] = ()
    ) -> None:
        """Copy the parent's weights to a network that has the buffer ``row_I`` in common with it.

        ``tables``: embeddings by row, and how many rows come before that of ``row_I`` 0.
        ``items``: weights of items. Raises CannotStartWarm where another shape is of the two.
        """
        row_I = network.get_buffer("row_I").cpu()
        rows_R = torch.zeros(int(row_I.max()) + 1, dtype=torch.long)
        rows_R[row_I] = self.of_items("row_I", torch.zeros_like(row_I))
        rows_R[0] = 0
        for name, weight in network.named_parameters():
            before = self.tensor(name)
            if name in tables:
                padding = torch.arange(tables[name])
                before = before[torch.cat([padding, rows_R + tables[name]])]
            elif name in items:
                before = self.of_items(name, weight.cpu())
            if before.shape != weight.shape:
                raise CannotStartWarm(f"the parent's {name} is of another shape")
            weight.copy_(before)
