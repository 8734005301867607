"""The largest weights of a network and their places: a code that holds most of a dense network and all of a sparse one.

The weights of independently trained networks have hardly any directions in common, so that as many principal components
as a tenth of the weights hold a tenth of their variance. A network's own largest weights hold more, and nothing has to
be learned for it.
"""

from math import ceil

import torch
from torch import Tensor, nn

from zootwins.experiments.representations.tokens import Tokens
from zootwins.run.errors import InputError

BITS = 24  # of a place's number: float32 holds whole numbers below 2²⁴ exactly


class LargestWeights(nn.Module):
    """The code of a network in units of its layers: the largest weights' values, then a bit per parameter for places.

    Attributes:
        numbers: of the code.
        kept: how many weights it holds.

    Raises:
        InputError: if the numbers do not suffice for one weight.
    """

    def __init__(self, tokens: Tokens, numbers: int):
        super().__init__()
        self.numbers, self.parameters_count = numbers, sum(tokens.sizes)
        self.places = self.of_places(tokens)
        self.kept = min(numbers - self.places, self.parameters_count)
        if self.kept < 1:
            raise InputError(
                f"representations.largest: {numbers} numbers hold no weight: {self.places} of them say where weights "
                f"of {tokens.architecture.name} are; take more, or 0"
            )
        self.register_buffer("powers", 2.0 ** torch.arange(BITS), persistent=False)

    @staticmethod
    def of_places(tokens: Tokens) -> int:
        """Return how many numbers encode which weights a code holds."""
        return ceil(sum(tokens.sizes) / BITS)

    def forward(self, scaled: Tensor) -> Tensor:
        """Return the code `[rows, numbers]` of weights `[rows, parameters]`; unused numbers are 0."""
        chosen = torch.zeros_like(scaled, dtype=torch.bool)
        chosen.scatter_(1, scaled.abs().topk(self.kept, dim=1).indices, True)
        values = scaled[chosen].view(len(scaled), self.kept)
        bits = nn.functional.pad(chosen, (0, self.places * BITS - self.parameters_count)).unflatten(1, (-1, BITS))
        code = torch.cat((values, (bits * self.powers).sum(2)), dim=1)
        return nn.functional.pad(code, (0, self.numbers - code.shape[1]))

    def recover(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """Return each parameter's value (0 if not in the code) and largest possible magnitude, `[rows, parameters]`."""
        values, places = code[:, : self.kept], code[:, self.kept : self.kept + self.places]
        bits = (places[:, :, None] / self.powers).floor().remainder(2) == 1
        chosen = bits.flatten(1)[:, : self.parameters_count]
        found = torch.zeros_like(chosen, dtype=code.dtype).masked_scatter(chosen, values)
        least = values.abs().amin(dim=1, keepdim=True)
        return found, torch.where(chosen, found.abs(), least)
