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
    columns, visits = weights_BC.shape[1], len(row_V)
    # Rows are concatenated, row b on [b, b + 1): one search finds the columns of all visits.
    line_BC = torch.cumsum(weights_BC, dim=1, dtype=torch.double)
    line_BC /= line_BC[:, -1:].clone()
    line_BC += torch.arange(len(line_BC))[:, None]
    visit_N = torch.arange(visits).repeat_interleave(2 * sizes_V + SPARE)
    row_N = row_V[visit_N]
    level_N = torch.rand(len(visit_N), generator=generator, dtype=torch.double)
    found_N = torch.searchsorted(line_BC.flatten(), level_N + row_N, right=True)
    found_N = (found_N - row_N * columns).clamp(max=columns - 1)
    first_N = _first_occurrences(visit_N * columns + found_N)
    visit_F, found_F = visit_N[first_N], found_N[first_N]
    different_V = torch.bincount(visit_F, minlength=visits)
    place_F = torch.arange(len(visit_F)) - (different_V.cumsum(0) - different_V)[visit_F]
    short_V = different_V < sizes_V
    kept_F = (place_F < sizes_V[visit_F]) & ~short_V[visit_F]
    columns_N = torch.empty(int(sizes_V.sum()), dtype=torch.long)
    is_short_N = short_V.repeat_interleave(sizes_V)
    columns_N[~is_short_N] = found_F[kept_F]
    if short_V.any():
        columns_N[is_short_N] = _race(weights_BC[row_V[short_V]], sizes_V[short_V], generator)
    return columns_N


def _first_occurrences(values_N: torch.Tensor) -> torch.Tensor:
    """Whether no earlier value is the same."""
    sorted_N, order_N = torch.sort(values_N, stable=True)
    is_first_N = torch.ones_like(values_N, dtype=torch.bool)
    is_first_N[order_N[1:]] = sorted_N[1:] != sorted_N[:-1]
    return is_first_N


def _race(
    weights_VC: torch.Tensor, sizes_V: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    clocks_VC = torch.empty_like(weights_VC).exponential_(generator=generator)
    most = int(sizes_V.max())
    first_VK = torch.topk(weights_VC / clocks_VC, most, dim=1).indices
    return first_VK[torch.arange(most) < sizes_V[:, None]]
