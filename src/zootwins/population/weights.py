"""What a population's parameters stand for: ordinary weights here, those with noise in `variational`.

Each kind says what its models are when they are evaluated, what training adds to their loss, and which of their
parameters weight decay acts on.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Plain:
    """Weights that are what they are."""

    def deterministic(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Weights and biases as they are evaluated, of the parameters' shapes."""
        return dict(parameters)

    def penalty(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """What each model's loss is increased by, `[models]`, but for the weight that the plan of training gives it."""
        some = next(iter(parameters.values()))
        return some.new_zeros(len(some))

    def decays(self, parameter: str) -> bool:
        """Whether weight decay acts on the parameter of that name."""
        return True
