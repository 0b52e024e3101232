"""Weighted sampling without replacement, for the items of a visit."""

import torch

SPARE = 8  # draws beyond twice the wanted number, before the fallback


def sample_distinct(
    weights_BC: torch.Tensor,
    row_V: torch.Tensor,
    sizes_V: torch.Tensor,
    generator: torch.Generator,
) -> torch.Tensor:
    """columns_N: ``sizes_V`` distinct columns for each visit, in the order sampled.

    ``row_V``: the row of weights of each visit. Equal to sequential sampling without replacement:
    samples with replacement, of which only the first of each column counts. Where these don't
    suffice, a visit falls back to exponential races (Efraimidis & Spirakis 2006), which cost a draw
    for each column. There must be at least as many weights above 0 as columns wanted.
    """
    columns = weights_BC.shape[1]
    most = int(sizes_V.max()) if len(sizes_V) else 0
    # Rows are concatenated, row b on [b, b + 1): one search finds the columns of all visits.
    line_BC = torch.cumsum(weights_BC, dim=1, dtype=torch.double)
    line_BC /= line_BC[:, -1:].clone()
    line_BC += torch.arange(len(line_BC))[:, None]
    level_VM = torch.rand(len(row_V), 2 * most + SPARE, generator=generator, dtype=torch.double)
    found_VM = torch.searchsorted(line_BC.flatten(), level_VM + row_V[:, None], right=True)
    found_VM = (found_VM - row_V[:, None] * columns).clamp(max=columns - 1)
    sorted_VM, order_VM = torch.sort(found_VM, dim=1, stable=True)
    first_VM = torch.ones_like(sorted_VM, dtype=torch.bool)
    first_VM[:, 1:] = sorted_VM[:, 1:] != sorted_VM[:, :-1]
    first_VM = torch.zeros_like(first_VM).scatter(1, order_VM, first_VM)
    # First occurrences of a column, in the order sampled, before repeats.
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
