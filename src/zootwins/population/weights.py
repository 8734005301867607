"""How a population's parameters become weights: ordinary weights here; noise and gates have their own modules."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor


class Weights:
    """How the parameters that are trained become the weights of networks; engines know the kinds below this class."""

    def start(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the parameters that training starts from, of networks with these weights and biases."""
        return dict(parameters)

    def masked(self, parameters: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
        """Return the parameters under other masks, where these are parameters too; None if the population has them."""
        return None

    def masks(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the masks that are parameters, by the weights' names, bool of their shapes; else none."""
        return {}

    def deterministic(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return weights and biases as they are evaluated, of the parameters' shapes."""
        return dict(parameters)

    def trained(self, parameters: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return the weights and biases of a training batch, where they follow from the parameters alone."""
        return parameters

    def penalty(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """Return what is added to each model's loss, `[models]`, before the plan of training weights it."""
        some = next(iter(parameters.values()))
        return some.new_zeros(len(some))

    def decays(self, parameter: str) -> bool:
        """Whether weight decay acts on the parameter of that name."""
        return True

    def own_lr(self, parameter: str) -> float | None:
        """Return the learning rate of an Adam of the parameter's own; None where its model's factors decide."""
        return None


def layer_weights(parameters: Mapping[str, Tensor]) -> list[str]:
    """Return names of the weights of convolutions and linear layers among parameters `[models, …]`: what can be pruned.

    Weights of normalisation have one number per channel, those of layers at least two dimensions.
    """
    return [name for name, tensor in parameters.items() if name.endswith(".weight") and tensor.ndim >= 3]


def is_convolution(weight: Tensor) -> bool:
    """Whether the weights `[models, outputs, inputs, …]` are of a convolution."""
    return weight.ndim == 5


@dataclass(frozen=True)
class Plain(Weights):
    """Ordinary weights: the parameters are the weights."""
