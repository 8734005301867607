# Zoo Twins: what sparsification does to whole populations of models.
# Name a file and Snakemake makes it and what it needs: snakemake --cores 4 results/tables/table2.csv
from snakemake.utils import min_version

min_version("9.14")


configfile: f"{workflow.current_basedir}/config.yaml"


report: "workflow/report/workflow.rst"


include: "rules/common.smk"
include: "rules/analyses.smk"
include: "rules/representation_lookups.smk"
include: "rules/soup_lookups.smk"
include: "rules/transfer_lookups.smk"
include: "rules/made.smk"
include: "rules/zoos.smk"
include: "rules/twins.smk"
include: "rules/metrics.smk"
include: "rules/representations.smk"
include: "rules/tables.smk"
include: "rules/figures.smk"
include: "rules/soups.smk"
include: "rules/transfer.smk"
include: "rules/published.smk"
include: "rules/verify.smk"


localrules:
    all,
    figures,
    replication,
    representations,
    soups,
    tables,
    transfer,
    twins,


rule twins:
    """Every shard of twins of the configured zoos."""
    input:
        all_shards,


rule tables:
    """Every table of the configured zoos."""
    input:
        expand("results/tables/{table}{form}", table=ALL_TABLES, form=TABLE_FORMS),


rule figures:
    """Every figure of the configured zoos."""
    input:
        expand("results/figures/{figure}{form}", figure=ALL_FIGURES, form=FIGURE_FORMS),


rule representations:
    """Hyper-representations of the zoos that are listed for them: tables and figures. Not part of `all`."""
    input:
        representation_intermediates,
        expand("results/tables/{table}{form}", table=RULE_TABLES["make_representation_table"], form=TABLE_FORMS),
        expand("results/figures/{figure}{form}", figure=REPRESENTATION_FIGURES, form=FIGURE_FORMS),


rule soups:
    """Sparse model soups of the configured zoos: tables, figures and what they are made of. Not part of `all`."""
    input:
        soup_intermediates,
        expand("results/tables/{table}{form}", table=RULE_TABLES["make_soup_table"], form=TABLE_FORMS),
        expand("results/figures/{figure}{form}", figure=RULE_FIGURES["make_soup_figure"], form=FIGURE_FORMS),


rule transfer:
    """Transfer of originals and twins to other tasks: tables and figures. Not part of `all`."""
    input:
        transfer_intermediates,
        expand("results/tables/{table}{form}", table=RULE_TABLES["make_transfer_table"], form=TABLE_FORMS),
        expand("results/figures/{figure}{form}", figure=RULE_FIGURES["make_transfer_figure"], form=FIGURE_FORMS),


rule replication:
    """How the configured zoos compare with the paper's, and what its unexplained numbers may be. Not part of `all`."""
    input:
        rules.tables.input,
        rules.figures.input,
        expand("results/tables/hypotheses{form}", form=TABLE_FORMS),


rule all:
    """Everything but experiments: twins, metrics, tables and figures; whatever of it is gone is restored."""
    default_target: True
    input:
        intermediate_files,
        rules.tables.input,
        rules.figures.input,
        rules.make_explorer.output,


include: "rules/targets.smk"
