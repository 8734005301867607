"""The zoos of WeightCLIP (HSG-AIML/WeightCLIP): Ray's folders with other keys, percentages and losses by batches.

    <data>/<network>/tune_zoo_<data>_<network>/dataset.pt
    …/NN_tune_trainable_seed=N/params.json  result.json  checkpoint_0000XX/checkpoints

The number of a checkpoint is the `epoch` of its row, and the first, 0, is after an epoch of training. Only the last
checkpoints are kept; `best_test_acc` is of none of them. A folder `lr_sweep` holds no models.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from zootwins.zoos.dialects.base import RawModel
from zootwins.zoos.dialects.ray import RayZoo, first_params
from zootwins.zoos.members import Members
from zootwins.zoos.raw_texts import FACTOR_KEYS

if TYPE_CHECKING:
    from torch import Tensor

    from zootwins.population import Engine, ImageSet, Population

# What the training code of each network takes without recording it.
_OPTIMIZERS = {"CNN3": "adam", "ResNet18Slim": "sgd"}


class WeightClip(RayZoo):
    """A zoo of WeightCLIP."""

    id: ClassVar[str] = "weightclip"
    title: ClassVar[str] = "WeightCLIP's layout"
    epoch_key: ClassVar[str] = "epoch"
    accuracy_unit: ClassVar[float] = 100.0
    initial_epoch: ClassVar[int | None] = None
    classes_key: ClassVar[str] = "model::o_dim"
    factor_keys: ClassVar[Mapping[str, str]] = FACTOR_KEYS | {
        "optimizer": "optimizer",
        "lr": "lr",
        "weight_decay": "weight_decay",
        "momentum": "momentum",
        "batch_size": "batch_size",
    }

    @classmethod
    def recognises(cls, members: Members) -> bool:
        params = first_params(members)
        return "lr" in params and "optim::lr" not in params

    def trained_with(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        optimizer = _OPTIMIZERS.get(str(params.get("model::type")))
        return ({"optimizer": optimizer} if optimizer else {}) | dict(params)

    def recorded_losses(
        self, engine: "Engine", population: "Population", models: Sequence[RawModel], test: "ImageSet", loss: "Tensor"
    ) -> "Tensor":
        """Return the mean of the means of evaluation batches, which have twice the training's batch size."""
        losses = loss.double().clone()
        for size in {model.factors.batch_size for model in models}:
            rows = [row for row, model in enumerate(models) if model.factors.batch_size == size]
            batches = test.batches(2 * size)
            means = sum(engine.evaluate(population, batch).loss.double() for batch in batches) / len(batches)
            losses[rows] = means[rows]
        return losses
