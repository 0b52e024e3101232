"""Linear layers with int8 weights whose inputs become int8 as they come: dynamic quantization.

Each row of the weights has a scale of its own, and each row of the input gets one when it is seen
(Jacob et al. 2018, with symmetric ranges; per row as in LLM.int8(), Dettmers et al. 2022). PyTorch
2.13 still has ``torch.ao.quantization``, but it is deprecated there, and what it packs cannot be
kept as safetensors.
"""

import torch
from torch import nn

LARGEST = 127


class Int8Linear(nn.Module):
    """Stands in for an ``nn.Linear``."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight_OD = linear.weight.detach()
        scale_O = weight_OD.abs().amax(dim=1).clamp(min=torch.finfo().tiny) / LARGEST
        self.numbers_OD: torch.Tensor
        self.scale_O: torch.Tensor
        self.bias_O: torch.Tensor
        self.register_buffer("numbers_OD", (weight_OD / scale_O[:, None]).round().to(torch.int8))
        self.register_buffer("scale_O", scale_O)
        bias = torch.zeros(len(weight_OD)) if linear.bias is None else linear.bias.detach()
        self.register_buffer("bias_O", bias)

    def forward(self, input_XD: torch.Tensor) -> torch.Tensor:
        rows_ND = input_XD.reshape(-1, input_XD.shape[-1])
        scale_N1 = rows_ND.abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / LARGEST
        numbers_ND = (rows_ND / scale_N1).round().to(torch.int8)
        whole_NO = torch._int_mm(numbers_ND, self.numbers_OD.T)
        output_NO = whole_NO.float().mul_(scale_N1).mul_(self.scale_O).add_(self.bias_O)
        return output_NO.view(*input_XD.shape[:-1], -1)


def with_int8_layers(module: nn.Module) -> int:
    """Put an ``Int8Linear`` in the place of each linear layer; returns how many there were."""
    count = 0
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            setattr(module, name, Int8Linear(child))
            count += 1
        else:
            count += with_int8_layers(child)
    return count
