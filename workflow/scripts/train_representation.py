"""A hyper-representation of a zoo's VD twins: an auto-encoder over their weights."""

import torch

from zootwins.experiments.representations import Settings
from zootwins.experiments.representations.alignment import arrange, mean_reference
from zootwins.experiments.representations.representation_training import train
from zootwins.experiments.representations.states import announcement, load_states, split_models
from zootwins.experiments.representations.storage import Representation, save_representation
from zootwins.population.engines import get_device
from zootwins.run.job import announce, job, progress, provenance, resume_file
from zootwins.storage.frames import read_models, write_csv
from zootwins.storage.resume import Resume
from zootwins.storage.shards import read_shard

with job(snakemake):
    zoo, seed = snakemake.wildcards.zoo, int(snakemake.wildcards.seed)
    settings = Settings(**snakemake.params.settings)
    threshold, device = snakemake.params.threshold, get_device(snakemake.params.device)
    torch.set_num_threads(snakemake.threads)
    states = load_states([read_shard(path) for path in snakemake.input.shards], snakemake.params.architecture)
    if line := announcement(states):
        announce(snakemake, line)
    table = read_models(snakemake.input.models).set_index("model").loc[list(states.models)]
    split = split_models(dict(zip(table.index, zip(table["seed"], table["init"], strict=True), strict=True)), zoo, seed)
    resume = Resume(*resume_file(snakemake))
    show = progress(snakemake, len(split["train"]))
    trained = states.of(split["train"])
    reference = mean_reference(trained.first_states().weights, states.tokens) if settings.align else None
    model, history = train(arrange(trained, reference).states, settings, threshold, (zoo, seed), device, resume, show)
    representation = Representation(model, settings, threshold, split, reference)
    save_representation(snakemake.output.model, representation, provenance(snakemake, device=device))
    write_csv(history, snakemake.output.history)
    resume.discard()
