"""Training a zoo from its generating factors, as the population that every later step starts from."""

from collections.abc import Callable, Sequence

import torch

from zootwins.architectures import get_architecture
from zootwins.initialisation import initial_parameters
from zootwins.population import Engine, Factors, ImageData, Population
from zootwins.population.trajectory import Resume, ignore, record_trajectory
from zootwins.randomness import stream_key
from zootwins.shards import Trajectory


def train_zoo(
    engine: Engine,
    models: Sequence[str],
    factors: Sequence[Factors],
    architecture: str,
    data: ImageData,
    epochs: int,
    zoo: str,
    weight_states: Sequence[int] | None = None,
    resume: Resume | None = None,
    on_epoch: Callable[[int, int], None] = ignore,
) -> Trajectory:
    """Train the models with the names `models` and these factors, from their own seeds' initial weights."""
    shaped = get_architecture(architecture, data.train.images.shape[1])
    initial = [initial_parameters(shaped, each) for each in factors]
    population = Population(
        shaped,
        factors,
        torch.tensor([stream_key(zoo, model, "train") for model in models], dtype=torch.int64),
        {name: torch.stack([parameters[name] for parameters in initial]) for name in shaped.parameter_shapes},
    )
    return record_trajectory(
        engine, population, data.train, data.test, epochs, weight_states=weight_states, resume=resume, on_epoch=on_epoch
    )
