"""The model zoos' own dialect (ModelZoos/ModelZooDataset), which Zoo Twins also writes.

    <zoo>/config.json  dataset.pt
    <zoo>/<model>/params.json  result.json  checkpoint_0000XX/checkpoints

Accuracies are fractions; losses are means over the images. The authors' variational twins are such zoos too: their
checkpoints also have `{module}.{log_sigma2,log_sigma2_bias}`, and their params.json names the original.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from zootwins.zoos.dialects.base import RawModel
from zootwins.zoos.dialects.ray import RayZoo, excluding
from zootwins.zoos.members import Members
from zootwins.zoos.raw_texts import TWIN_METRICS, BrokenModelError, parse_original, shown
from zootwins.zoos.ray_folders import TEXTS, WEIGHTS

if TYPE_CHECKING:
    from zootwins.architectures.architecture import Architecture


class ModelZoo(RayZoo):
    """A zoo of ModelZooDataset, or one in its layout."""

    id: ClassVar[str] = "modelzoo"
    title: ClassVar[str] = "ModelZooDataset's layout"

    @classmethod
    def recognises(cls, members: Members) -> bool:
        return any(name.rpartition("/")[2] in (*TEXTS, *WEIGHTS) for name in members.names)

    def check(self, params: Mapping[str, Any], architecture: "Architecture") -> None:
        """Distinguish LeNet-5 with and without activations after its convolutions, whose weights look the same."""
        has = architecture.design.settings.get("convolution_activation")
        if has is None or "model::conv_nlin" not in params:
            return
        activation = params["model::conv_nlin"]
        if (activation != params.get("model::nlin")) if has else (activation not in (None, "", "none")):
            raise BrokenModelError(
                f"model::conv_nlin is {shown(activation)}, but the architecture's convolution_activation is {has}; set "
                "it in the catalogue: architecture: {id: lenet_5, convolution_activation: …}"
            )

    def twins(
        self, architecture: "Architecture", epochs: Iterable[int], names: Collection[str] | None = None
    ) -> Iterator[RawModel]:
        """Yield the authors' variational twins, of `names` only if given, each with the checkpoints of all `epochs`."""
        for folder in self.folders:
            twin = RawModel(folder.name)
            if names is not None and twin.name not in names:
                continue
            with excluding(twin):
                twin.original = parse_original(self._text(folder, "params.json"))
                found = self._read_history(twin, folder, TWIN_METRICS)
                for epoch in epochs:
                    self._add_checkpoint(twin, found, epoch, architecture, variational=True)
            yield twin
