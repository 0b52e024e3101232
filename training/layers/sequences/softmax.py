"""Softmax cross-entropy over a catalogue, whole or sampled, in blocks that fit a cache.

A catalogue's logits are the largest thing that a next-item model makes, and are needed only for
their gradient. So the forward pass computes loss and gradients block by block and keeps no logits;
the backward pass has only to scale them.
"""

from typing import Any

import torch

BLOCK = 128  # positions whose logits are in memory at once


def softmax_loss(
    hidden_PD: torch.Tensor,
    candidates_CD: torch.Tensor,
    offset_C: torch.Tensor,
    log_chance_C: torch.Tensor,
    target_P: torch.Tensor,
) -> torch.Tensor:
    """Mean cross-entropy of each position's target, a row of the candidates, against them all.

    ``offset_C``: what is added to each candidate's dot product. ``log_chance_C``: the logarithm of
    the chance that a candidate is among them, 0 where the catalogue is whole. A sampled candidate
    counts 1 / chance times in the softmax's sum (Horvitz & Thompson 1952; the logQ correction of Yi
    et al. 2019), which makes the sum right on average; the target, which is always there, once.
    """
    return _Blockwise.apply(hidden_PD, candidates_CD, offset_C, log_chance_C, target_P)


def log_never(share_I: torch.Tensor, draws: int) -> torch.Tensor:
    """log of the chance that an item with this share is in none of the draws."""
    return draws * torch.log1p(-share_I.double().clamp(max=1 - 1e-9))


def log_chances(log_never_C: torch.Tensor) -> torch.Tensor:
    """log of the chance to be there at all, from that of being in none of the draws."""
    return torch.log(-torch.expm1(log_never_C)).clamp(min=-30).float()


class _Blockwise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden_PD: torch.Tensor,
        candidates_CD: torch.Tensor,
        offset_C: torch.Tensor,
        log_chance_C: torch.Tensor,
        target_P: torch.Tensor,
    ) -> torch.Tensor:
        count = len(hidden_PD)
        hidden_gradient_PD = torch.empty_like(hidden_PD)
        candidates_gradient_CD = torch.zeros_like(candidates_CD)
        offset_gradient_C = torch.zeros_like(offset_C)
        correction_C = offset_C - log_chance_C
        loss = hidden_PD.new_zeros(())
        buffer_2bC = hidden_PD.new_empty(2, min(BLOCK, count), len(candidates_CD))
        for first in range(0, count, BLOCK):
            hidden_pD, target_p = hidden_PD[first : first + BLOCK], target_P[first : first + BLOCK]
            logits_pC, gradient_pC = buffer_2bC[:, : len(target_p)]
            torch.addmm(correction_C, hidden_pD, candidates_CD.T, out=logits_pC)
            own = (torch.arange(len(target_p), device=target_p.device), target_p)
            logits_pC[own] += log_chance_C[target_p]
            torch.softmax(logits_pC, dim=1, out=gradient_pC)
            # the highest share is 1 / the sum of exp(logit - highest)
            log_sum_p = logits_pC.amax(dim=1) - gradient_pC.amax(dim=1).log()
            loss += (log_sum_p - logits_pC[own]).sum()
            gradient_pC[own] -= 1
            torch.mm(gradient_pC, candidates_CD, out=hidden_gradient_PD[first : first + BLOCK])
            candidates_gradient_CD.addmm_(gradient_pC.T, hidden_pD)
            offset_gradient_C += gradient_pC.sum(dim=0)
        ctx.save_for_backward(hidden_gradient_PD, candidates_gradient_CD, offset_gradient_C)
        return loss / count

    @staticmethod
    def backward(ctx: Any, scale: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        hidden_PD, candidates_CD, offset_C = ctx.saved_tensors
        scale = scale / len(hidden_PD)
        return hidden_PD * scale, candidates_CD * scale, offset_C * scale, None, None
