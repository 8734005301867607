"""The same chain of layers with fewer channels: the architecture of networks that channel pruning makes smaller."""

from collections.abc import Mapping

from zootwins.architectures.architecture import Architecture, get_architecture
from zootwins.architectures.steps import as_step
from zootwins.run.errors import InputError


def narrowed(architecture: Architecture, outputs: Mapping[str, int]) -> Architecture:
    """Return the chain of the same steps whose layers have other numbers of outputs.

    Its layers are called as those of every chain (conv1, fc1, …), in the same order.

    Args:
        outputs: of layers by name; the others keep theirs.

    Raises:
        InputError: if the network is no chain, or its head is no linear layer.
    """
    if not architecture.chain:
        raise InputError(
            f"{architecture.name}: only networks whose layers follow one another can be made smaller by their channels"
        )
    head = architecture.head.name
    steps = []
    for name, module in architecture.chain:
        step = as_step(module)
        if name == head:
            step = {"linear": "classes"}
        elif name in outputs:
            step = {"conv": step["conv"] | {"outputs": outputs[name]}} if "conv" in step else {"linear": outputs[name]}
        steps += [] if step == "flatten" else [step]
    return get_architecture({"layers": steps}, **architecture.images)
