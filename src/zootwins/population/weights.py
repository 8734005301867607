"""What a population's parameters stand for: ordinary weights here; noise and gates have modules of their own."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor


class Weights:
    """How the parameters that are trained become the weights of networks; engines know the kinds below this class."""

    def deterministic(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weights and biases as they are evaluated, of the parameters' shapes."""
        return dict(parameters)

    def trained(self, parameters: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return the weights and biases of a training batch, where they follow from the parameters alone."""
        return parameters

    def penalty(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """What each model's loss is increased by, `[models]`, but for the weight that the plan of training gives it."""
        some = next(iter(parameters.values()))
        return some.new_zeros(len(some))

    def decays(self, parameter: str) -> bool:
        """Whether weight decay acts on the parameter of that name."""
        return True

    def own_lr(self, parameter: str) -> float | None:
        """The learning rate of an Adam of the parameter's own; None where its model's factors say how it is trained."""
        return None


@dataclass(frozen=True)
class Plain(Weights):
    """Weights that are what they are."""
