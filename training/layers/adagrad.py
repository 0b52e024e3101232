"""AdaGrad with one sum of squares a row (Duchi et al. 2011), for embedding tables."""

import torch


def adagrad_step(
    rows_ID: torch.Tensor,
    squares_I: torch.Tensor,
    touched_R: torch.Tensor,
    gradients_RD: torch.Tensor,
    learning_rate: float,
) -> None:
    """Update the touched rows in place; a row that occurs twice gets both gradients."""
    squares_R = torch.linalg.vector_norm(gradients_RD, dim=1).square_()
    squares_I.index_add_(0, touched_R, squares_R)
    seen_R = squares_I.index_select(0, touched_R).clamp_(min=torch.finfo(torch.float32).tiny)
    gradients_RD.mul_((-learning_rate * seen_R.rsqrt_())[:, None])
    rows_ID.index_add_(0, touched_R, gradients_RD)
