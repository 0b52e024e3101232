"""The blockwise softmax is the softmax, and a sampled one is right on average."""

import torch
from torch.nn import functional as F

from training.layers.sequences.softmax import BLOCK, log_chances, log_never, softmax_loss


def test_loss_and_gradients_equal_cross_entropy() -> None:
    torch.manual_seed(0)
    positions, candidates, dimensions = 2 * BLOCK + 7, 30, 5
    hidden_PD = torch.randn(positions, dimensions, requires_grad=True)
    items_CD = torch.randn(candidates, dimensions, requires_grad=True)
    offset_C = torch.randn(candidates, requires_grad=True)
    log_chance_C = -torch.rand(candidates)
    target_P = torch.randint(candidates, (positions,))
    found = softmax_loss(hidden_PD, items_CD, offset_C, log_chance_C, target_P)
    logits_PC = hidden_PD @ items_CD.T + offset_C - log_chance_C
    own_PC = F.one_hot(target_P, candidates)  # the target counts once, whatever its chance
    expected = F.cross_entropy(logits_PC + own_PC * log_chance_C, target_P)
    inputs = (hidden_PD, items_CD, offset_C)
    torch.testing.assert_close(found, expected)
    for mine, theirs in zip(
        torch.autograd.grad(3 * found, inputs),
        torch.autograd.grad(3 * expected, inputs),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs)


def test_sampled_partition_is_unbiased() -> None:
    torch.manual_seed(0)
    items, draws, targets, times = 50, 10, 8, 4000
    counts_I = torch.arange(1, items + 1).double() ** 2
    share_I, drawn_share_I = counts_I / counts_I.sum(), counts_I.sqrt() / counts_I.sqrt().sum()
    logit_I = torch.randn(items)
    log_chance_I = log_chances(log_never(share_I, targets) + log_never(drawn_share_I, draws))
    there = torch.zeros(times, items, dtype=torch.bool)
    there.scatter_(1, torch.multinomial(share_I.expand(times, -1), targets, True), True)
    there.scatter_(1, torch.multinomial(drawn_share_I.expand(times, -1), draws, True), True)
    sums = (there * (logit_I - log_chance_I).exp()).sum(dim=1)
    error = sums.std() / times**0.5
    assert abs(sums.mean() - logit_I.exp().sum()) < 4 * error
    assert error < 0.05 * logit_I.exp().sum()
