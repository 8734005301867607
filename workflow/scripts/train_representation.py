"""A hyper-representation of a zoo's VD twins: an auto-encoder over their weights."""

import torch

from zootwins.frames import write_csv
from zootwins.job import job, progress, provenance, resume_file
from zootwins.population.engines import get_device
from zootwins.population.trajectory import Resume
from zootwins.representations import Settings
from zootwins.representations.states import load_states, split_models
from zootwins.representations.storage import Representation, save_representation
from zootwins.representations.training import train
from zootwins.shards import read_shard

with job(snakemake):
    zoo, seed = snakemake.wildcards.zoo, int(snakemake.wildcards.seed)
    settings = Settings(**snakemake.params.settings)
    threshold, device = snakemake.params.threshold, get_device(snakemake.params.device)
    torch.set_num_threads(snakemake.threads)
    states = load_states([read_shard(path) for path in snakemake.input], snakemake.params.architecture)
    split = split_models(states.models, zoo, seed)
    with Resume(*resume_file(snakemake)) as resume:
        show = progress(snakemake, len(split["train"]))
        model, history = train(states.of(split["train"]), settings, threshold, (zoo, seed), device, resume, show)
        representation = Representation(model, settings, threshold, split)
        save_representation(snakemake.output.model, representation, provenance(snakemake, device=device))
        write_csv(history, snakemake.output.history)
