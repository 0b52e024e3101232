"""AdamW takes the steps that torch's own takes."""

import torch

from training.fitting.adamw import AdamW

STEPS, LEARNING_RATE, DECAY = 5, 1e-2, 0.01


def test_steps_equal_those_of_torch_also_where_a_gradient_comes_later() -> None:
    torch.manual_seed(0)
    ours = [torch.randn(*size, requires_grad=True) for size in ((5, 3), (4,))]
    theirs = [weight.detach().clone().requires_grad_() for weight in ours]
    optimizer = AdamW(ours, DECAY)
    reference = torch.optim.AdamW(theirs, LEARNING_RATE, weight_decay=DECAY, fused=True)
    for step in range(STEPS):
        for place, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            if place <= step:
                one.grad = torch.randn_like(one)
                other.grad = one.grad.clone()
        optimizer.step(LEARNING_RATE)
        reference.step()
    for one, other in zip(ours, theirs, strict=True):
        assert torch.equal(one, other)
