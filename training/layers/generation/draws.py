"""Drawing different items at once, each by its weight: what a visit holds."""

import torch

SPARE = 8  # draws beyond twice those that are wanted, before they are done one by one


def draw(
    weights_BC: torch.Tensor,
    row_V: torch.Tensor,
    sizes_V: torch.Tensor,
    generator: torch.Generator,
) -> torch.Tensor:
    """columns_N: for visit after visit its size's number of different columns, as they were drawn.

    ``row_V``: whose weights a visit draws by. As if each was drawn from those that are left: draws
    with replacement, of which only the first of a column counts. Where these don't suffice, a visit
    is drawn anew as a race (Efraimidis & Spirakis 2006), which costs a draw for each column. There
    must be as many weights above 0 as are wanted.
    """
    columns = weights_BC.shape[1]
    most = int(sizes_V.max()) if len(sizes_V) else 0
    # All rows on one line, each from its number to the next: one search finds a visit's columns.
    line_BC = weights_BC.double().cumsum(dim=1)
    line_BC = line_BC / line_BC[:, -1:] + torch.arange(len(line_BC))[:, None]
    level_VM = torch.rand(len(row_V), 2 * most + SPARE, generator=generator, dtype=torch.double)
    found_VM = torch.searchsorted(line_BC.flatten(), level_VM + row_V[:, None], right=True)
    found_VM = (found_VM - row_V[:, None] * columns).clamp(max=columns - 1)
    sorted_VM, order_VM = torch.sort(found_VM, dim=1, stable=True)
    first_VM = torch.ones_like(sorted_VM, dtype=torch.bool)
    first_VM[:, 1:] = sorted_VM[:, 1:] != sorted_VM[:, :-1]
    first_VM = torch.zeros_like(first_VM).scatter(1, order_VM, first_VM)
    # The first of each column, in the order drawn, before all others.
    places_VM = torch.sort((~first_VM).int(), dim=1, stable=True).indices
    columns_VK = found_VM.gather(1, places_VM)[:, :most]
    short_V = first_VM.sum(dim=1) < sizes_V
    if short_V.any():
        columns_VK[short_V] = _race(weights_BC[row_V[short_V]], most, generator)
    return columns_VK[torch.arange(most) < sizes_V[:, None]]


def _race(weights_VC: torch.Tensor, most: int, generator: torch.Generator) -> torch.Tensor:
    clocks_VC = torch.empty_like(weights_VC).exponential_(generator=generator)
    k = min(most, weights_VC.shape[1])
    first_VK = torch.topk(weights_VC / clocks_VC, k, dim=1).indices
    return torch.nn.functional.pad(first_VK, (0, most - k))
