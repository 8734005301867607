# Zoo Twins: what sparsification does to whole populations of models.
# Name a file and Snakemake makes it and what it needs: snakemake --cores 4 results/tables/table2.csv
from snakemake.utils import min_version

min_version("9.14")


configfile: f"{workflow.current_basedir}/config.yaml"


report: "workflow/report/workflow.rst"


include: "rules/common.smk"
include: "rules/zoos.smk"
include: "rules/twins.smk"
include: "rules/metrics.smk"
include: "rules/representations.smk"
include: "rules/soups.smk"
include: "rules/pruning_soups.smk"
include: "rules/transfer.smk"
include: "rules/published.smk"
include: "rules/tables.smk"
include: "rules/figures.smk"
include: "rules/verify.smk"


# What is a part of `all`, `tables` and `figures`; other experiments have a target of their own.
EVERYDAY = [experiment for experiment in experiments() if experiment.in_all]


localrules:
    twins,
    tables,
    figures,
    all,


rule twins:
    """Every shard of twins of the configured zoos."""
    input:
        FILES.all_twins(),


rule tables:
    """Every table of the configured zoos."""
    input:
        FILES.tables(EVERYDAY),


rule figures:
    """Every figure of the configured zoos."""
    input:
        rules.draw_workflow.output,
        FILES.figures(EVERYDAY),


rule all:
    """Everything but the experiments below: twins, metrics, tables and figures; whatever of it is gone is restored."""
    default_target: True
    input:
        [FILES.targets(experiment) for experiment in EVERYDAY],
        rules.figures.input,
        rules.make_explorer.output,


# An experiment that is no part of `all`: its tables, its figures, and what they are made of.
for experiment in experiments():
    if not experiment.in_all:

        rule:
            name:
                experiment.id
            input:
                ask(partial(FILES.targets, experiment)),
            localrule: True


include: "rules/targets.smk"
