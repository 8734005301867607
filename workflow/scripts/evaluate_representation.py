"""What a hyper-representation, and what is simpler, predicts of models that were not trained on."""

import torch

from zootwins.experiments.representations.baselines import by_size
from zootwins.experiments.representations.evaluation import evaluate, latent_plane
from zootwins.experiments.representations.states import load_states
from zootwins.experiments.representations.storage import load_representation
from zootwins.population.engines import get_device
from zootwins.run.job import job, provenance
from zootwins.storage.frames import write_parquet
from zootwins.storage.shards import read_shard

with job(snakemake):
    torch.set_num_threads(snakemake.threads)
    representation = load_representation(snakemake.input.model, get_device(snakemake.params.device))
    states = load_states([read_shard(path) for path in snakemake.input.shards], snakemake.params.architecture)
    splits = {split: states.of(models) for split, models in representation.split.items()}
    scores, predictions = evaluate(representation, splits)
    plane = latent_plane(representation, splits)
    origin = provenance(snakemake)
    identity = {"zoo": snakemake.wildcards.zoo, "seed": int(snakemake.wildcards.seed)}
    sizes = {f"{split}_models": len(models) for split, models in representation.split.items()}
    sizes |= {"models": len(states.models), "states": len(states), "diverged_models": len(states.left_out)}
    scores = scores.assign(**identity, **sizes, configuration=representation.settings.name)
    sizes = by_size(splits, representation.model.scale.cpu()).assign(**identity, test_models=sizes["test_models"])
    write_parquet(sizes, snakemake.output.sizes, origin)
    write_parquet(scores, snakemake.output.scores, origin)
    write_parquet(plane.merge(predictions, how="left").assign(**identity), snakemake.output.states, origin)
