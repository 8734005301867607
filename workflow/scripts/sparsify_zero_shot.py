"""Twins of unseen models, told from their dense weights, beside trained and pruned ones."""

from itertools import groupby

import pandas as pd
import torch

from zootwins.experiments.representations.decisions import decisions_table
from zootwins.experiments.representations.predictors import Pairs
from zootwins.experiments.representations.states import load_states
from zootwins.experiments.representations.storage import load_representation
from zootwins.experiments.representations.zero_shot import compare_twins, predict_alphas, unseen_models, zero_shot_twins
from zootwins.images.datasets import load_dataset
from zootwins.population.engines import get_device, get_engine
from zootwins.run.job import job, provenance
from zootwins.storage.frames import write_parquet
from zootwins.storage.shards import read_shard
from zootwins.zoos.originals import load_originals, read_predictions

with job(snakemake):
    files, params, (zoo, seed) = (
        snakemake.input,
        snakemake.params,
        (snakemake.wildcards.zoo, int(snakemake.wildcards.seed)),
    )
    torch.set_num_threads(snakemake.threads)
    representation = load_representation(files.model, get_device(params.engine["device"]))
    engine = get_engine(**params.engine, threads=snakemake.threads)
    others = iter(files.others)
    states = {zoo: load_states([read_shard(path) for path in files.shards], params.architecture)}
    for target, settings in list(params.targets.items())[1:]:
        shards = [read_shard(next(others)) for _ in range(settings["shards"])]
        states[target] = load_states(shards, params.architecture)
    unseen = states | {zoo: states[zoo].of(representation.split["test"])}
    predicted = predict_alphas(representation, states[zoo], unseen, (zoo, seed))
    decisions, twins = [], []
    for number, (target, settings) in enumerate(params.targets.items()):
        pairs, identity = Pairs.of(unseen[target]), {"zoo": target, "learned_on": zoo, "seed": seed}
        alphas = {name: values for name, values in predicted[target].items() if name != "decoder_weights"}
        decisions.append(decisions_table(pairs, alphas, representation.threshold).assign(**identity))
        originals = load_originals(
            files.originals[number], files.models[number], params.architecture, 0, settings["models"]
        )
        models = unseen_models(originals, pairs.models, settings["lr"])
        index, classes = read_predictions(files.predictions[number])
        rows = {model: row for row, model in enumerate(index.tolist())}
        classes, data = classes[[rows[model] for model in models.index]].numpy(), load_dataset(files.dataset[number])
        made = zero_shot_twins(pairs, predicted[target], representation.threshold, target)
        for _, group in groupby(made, key=lambda twin: twin[1]):  # a sparsity at a time: less memory
            vectors = {(method, at): pairs.tokens.separate(vector) for method, at, vector in group}
            twins.append(compare_twins(engine, models, vectors, data, classes, target).assign(**identity))
    write_parquet(pd.concat(decisions, ignore_index=True), snakemake.output.decisions, provenance(snakemake))
    write_parquet(pd.concat(twins, ignore_index=True), snakemake.output.twins, provenance(snakemake))
