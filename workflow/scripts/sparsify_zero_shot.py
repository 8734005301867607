"""Zero-shot twins of the models that a hyper-representation was not trained on, beside trained ones."""

import torch

from zootwins.experiments.representations.states import load_states
from zootwins.experiments.representations.storage import load_representation
from zootwins.experiments.representations.zero_shot import compare_twins, unseen_models, zero_shot_twins
from zootwins.images.datasets import load_dataset
from zootwins.population.engines import get_device, get_engine
from zootwins.run.job import job, provenance
from zootwins.storage.frames import write_parquet
from zootwins.storage.shards import read_shard
from zootwins.zoos.originals import load_originals, read_predictions

with job(snakemake):
    zoo, params = snakemake.wildcards.zoo, snakemake.params
    torch.set_num_threads(snakemake.threads)
    representation = load_representation(snakemake.input.model, get_device(params.engine["device"]))
    states = load_states([read_shard(path) for path in snakemake.input.shards], params.architecture)
    twins = zero_shot_twins(representation, states, zoo)
    originals = load_originals(snakemake.input.originals, snakemake.input.models, params.architecture, 0, params.models)
    unseen = unseen_models(originals, states.of(representation.split["test"]).models, params.lr)
    index, predictions = read_predictions(snakemake.input.predictions)
    rows = {number: row for row, number in enumerate(index.tolist())}
    table = compare_twins(
        get_engine(**params.engine, threads=snakemake.threads),
        unseen,
        twins,
        load_dataset(snakemake.input.dataset),
        predictions[[rows[number] for number in unseen.index]].numpy(),
        zoo,
    )
    table = table.assign(zoo=zoo, seed=int(snakemake.wildcards.seed))
    write_parquet(table, snakemake.output[0], provenance(snakemake))
