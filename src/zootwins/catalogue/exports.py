"""The inputs of an export: the networks of a zoo that are written as a raw zoo."""

from zootwins.catalogue.files import Files
from zootwins.run.errors import InputError
from zootwins.sparsifiers.registry import get_sparsifier


def export_shards(files: Files, zoo: str, population: str) -> list[str]:
    """Return the shards that hold a population; the originals are in none."""
    if population == "originals":
        return []
    trained = files.shards(zoo, f"results/zoos/{zoo}/trained")
    return trained if population == "trained" else files.twins(zoo, population)


def export_models(zoo: str, population: str) -> str | list[str]:
    """Return the table of the models; a population trained here has its own."""
    return [] if population == "trained" else f"results/zoos/{zoo}/models.csv"


def export_originals(zoo: str, population: str) -> str | list[str]:
    """Return the dense models, where the population is theirs."""
    return f"results/zoos/{zoo}/originals.safetensors" if population == "originals" else []


def export_small_shards(files: Files, zoo: str, method: str, point: str) -> list[str]:
    """Return the shards of twins that are written as smaller networks.

    Raises:
        InputError: if the method removes no channels, or has no such point.
    """
    settings, known = files.run.catalogue[zoo].methods.get(method), get_sparsifier(method)
    if settings is None or not known.removes_channels(settings):
        raise InputError(f"{zoo} has no twins by {method} that lack whole channels; make them by channel_pruning")
    if known.point(settings, float(point)) is None:
        values = ", ".join(f"{one.value:g}" for one in known.curve(settings))
        raise InputError(f"{zoo}'s twins by {method} have no point {point}; there are {values}")
    return files.twins(zoo, method)
