"""Hypotheses on the paper's unexplained numbers, on one zoo."""

from pathlib import Path

import pandas as pd

from zootwins.analyses.hypotheses import beside_paper, hypotheses
from zootwins.analyses.hypothesis_evidence import by_method, gather_evidence
from zootwins.analyses.results import load_results
from zootwins.images.datasets import load_dataset
from zootwins.run.job import job, provenance
from zootwins.sparsifiers.registry import name_twins
from zootwins.storage.frames import write_parquet
from zootwins.storage.shards import read_shard
from zootwins.zoos.originals import load_originals, read_predictions

with job(snakemake):
    name_twins(snakemake.config.get("twins"))
    files, params = snakemake.input, snakemake.params
    (results,) = load_results([params.zoo], files.metrics)
    index, predictions = (tensor.numpy() for tensor in read_predictions(files.predictions))
    evidence = gather_evidence(
        results,
        by_method(map(read_shard, files.shards)),
        load_originals(files.originals, files.models, params.architecture),
        predictions,
        index,
        load_dataset(files.dataset).test,
    )
    paper = {Path(path).stem: pd.read_csv(path) for path in files.paper}
    found = beside_paper(hypotheses(evidence, params.paper_models), paper, params.paper_zoo, params.paper_models)
    write_parquet(found, snakemake.output[0], provenance(snakemake))
