"""Twins of unseen models, told from their dense weights, beside trained and pruned ones."""

from itertools import islice

import pandas as pd
import torch

from zootwins.experiments.representations.decisions import decisions_table
from zootwins.experiments.representations.fisher import fisher_information
from zootwins.experiments.representations.predictors import Pairs
from zootwins.experiments.representations.states import announcement, load_states
from zootwins.experiments.representations.storage import load_representation
from zootwins.experiments.representations.zero_shot import (
    compare_twins,
    predict_alphas,
    unseen_models,
    without_siblings,
    zero_shot_twins,
)
from zootwins.images.datasets import load_dataset
from zootwins.population.engines import get_device, get_engine
from zootwins.run.job import announce, job, provenance
from zootwins.storage.frames import write_parquet
from zootwins.storage.shards import read_shard
from zootwins.zoos.originals import load_originals, read_predictions

with job(snakemake):
    files, params, zoo = snakemake.input, snakemake.params, snakemake.wildcards.zoo
    seed = int(snakemake.wildcards.seed)
    torch.set_num_threads(snakemake.threads)
    representation = load_representation(files.model, get_device(params.engine["device"]))
    engine = get_engine(**params.engine, threads=snakemake.threads)
    states = load_states([read_shard(path) for path in files.shards], params.architecture)
    if line := announcement(states):
        announce(snakemake, line)
    of_zoo = {
        target: load_originals(
            files.originals[number], files.models[number], params.architecture, 0, settings["models"]
        )
        for number, (target, settings) in enumerate(params.targets.items())
    }
    data = {target: load_dataset(files.dataset[number]) for number, target in enumerate(params.targets)}
    factors = {target: dict(zip(each.models, each.factors, strict=True)) for target, each in of_zoo.items()}
    learned = [factors[zoo][model] for split in ("train", "validation") for model in representation.split[split]]
    others, unseen = iter(files.others), {zoo: states.of(representation.split["test"])}
    for target, settings in list(params.targets.items())[1:]:
        of_target = load_states([read_shard(path) for path in islice(others, settings["shards"])], params.architecture)
        unseen[target] = without_siblings(of_target, factors[target], learned, target)

    def fisher(target, models):
        return fisher_information(unseen_models(of_zoo[target], models, None), data[target].train)

    predicted = predict_alphas(representation, states, unseen, (zoo, seed), fisher)
    decisions, twins = [], []
    for number, (target, settings) in enumerate(params.targets.items()):
        pairs, identity = Pairs.of(unseen[target]), {"zoo": target, "learned_on": zoo, "seed": seed}
        decisions.append(decisions_table(pairs, predicted[target], representation.threshold).assign(**identity))
        models = unseen_models(of_zoo[target], pairs.models, settings["lr"])
        index, classes = read_predictions(files.predictions[number])
        rows = {model: row for row, model in enumerate(index.tolist())}
        made = zero_shot_twins(pairs, predicted[target], representation.threshold, target)
        chosen = classes[[rows[model] for model in models.index]].numpy()
        # a sparsity at a time takes less memory
        compared = [compare_twins(engine, models, twin, data[target], chosen, target) for twin in made.values()]
        twins.append(pd.concat(compared).assign(**identity))
    write_parquet(pd.concat(decisions, ignore_index=True), snakemake.output.decisions, provenance(snakemake))
    write_parquet(pd.concat(twins, ignore_index=True), snakemake.output.twins, provenance(snakemake))
