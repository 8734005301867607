# Zoo Twins: what sparsification does to whole populations of models.
# Name a file and Snakemake makes it and what it needs: snakemake --cores 4 results/tables/table2.csv
from snakemake.utils import min_version

min_version("9.14")


configfile: "config.yaml"


include: "rules/common.smk"
include: "rules/zoos.smk"
include: "rules/twins.smk"
include: "rules/metrics.smk"


localrules:
    all,
    twins,


rule all:
    """Everything: twins, metrics, tables and figures of the configured zoos."""
    default_target: True
    input:
        rules.twins.input,
        metric_files,


rule twins:
    """Every shard of twins of the configured zoos."""
    input:
        all_shards,
