"""Low-rank changes to frozen linear layers (Hu et al. 2021), and the file diffusers reads them from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

WEIGHTS: Final = "pytorch_lora_weights.safetensors"
_PREFIX: Final = "transformer."


class LoraLinear(nn.Module):
    """Stands for `base`, frozen, whose weight is now base + up @ down; starts as `base` itself.

    The sum is made at every call and applied in one product, as the merged layer will: on a CPU that costs no
    more than the two thin products that are usual.
    """

    def __init__(self, base: nn.Linear, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        down = torch.randn(rank, base.in_features, generator=generator) / base.in_features**0.5
        self.down = nn.Parameter(down)
        self.up = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, given: Tensor) -> Tensor:
        return functional.linear(given, self.weight, self.base.bias)

    @property
    def weight(self) -> Tensor:
        """What the layer multiplies by: (outputs, inputs), with its gradient."""
        with torch.autocast("cpu", enabled=False):
            return torch.addmm(self.base.weight, self.up, self.down)


@dataclass(frozen=True, slots=True)
class Lora:
    """The changed layers of one network, by their names in it."""

    network: nn.Module
    layers: dict[str, LoraLinear]
    rank: int

    @property
    def weights(self) -> list[nn.Parameter]:
        """All that is learned."""
        return [weight for layer in self.layers.values() for weight in (layer.down, layer.up)]

    def merged(self) -> dict[str, Tensor]:
        """The network's state with the sums as its weights: what loads into one without a LoRA."""
        state = {}
        for name, tensor in self.network.state_dict().items():
            owner, _, field = name.rpartition(".")
            layer = self.layers.get(owner.removesuffix(".base"))
            if layer is None:
                state[name] = tensor
            elif owner.endswith(".base"):
                merged = layer.weight.detach() if field == "weight" else tensor
                state[f"{owner.removesuffix('.base')}.{field}"] = merged
        return state

    def save(self, folder: Path, dtype: torch.dtype = torch.float16) -> None:
        """Writes the file that `StableDiffusion3Pipeline.load_lora_weights(folder)` reads.

        No alpha is written: peft then takes it to be the rank, and adds up @ down as it is.
        """
        tensors = {}
        for name, layer in self.layers.items():
            for key, weight in ((f"{name}.lora_A", layer.down), (f"{name}.lora_B", layer.up)):
                tensors[f"{_PREFIX}{key}.weight"] = weight.detach().to(dtype).contiguous()
        folder.mkdir(parents=True, exist_ok=True)
        save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def attach(network: nn.Module, names: Sequence[str], rank: int, generator: torch.Generator) -> Lora:
    """Freezes `network` and puts a `LoraLinear` in place of each named layer.

    Raises:
        ValueError: a name is not a linear layer's, or the rank is not one.
    """
    if rank < 1:
        raise ValueError(f"rank: {rank} must be 1 or more")
    network.requires_grad_(False)
    layers = {}
    for name in names:
        base = network.get_submodule(name)
        if not isinstance(base, nn.Linear):
            raise ValueError(f"names: {name!r} is a {type(base).__name__}; only linear layers can be changed")
        layers[name] = LoraLinear(base, rank, generator)
        network.set_submodule(name, layers[name])
    return Lora(network, layers, rank)


def linear_names(network: nn.Module) -> list[str]:
    """The names of all linear layers, in the network's order."""
    return [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
