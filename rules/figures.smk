# Figures of the configured zoos. Only the prune shares read weights; everything is drawn from long tables.

# What each figure is made of: tables under results/metrics/{zoo}, beside models.csv.
FIGURE_SOURCES = {
    "figure2": ["vd"],
    "figure3": ["vd_prune_shares"],
    "figure4": ["vd_layers"],
    "figure5": ["mp", "vd"],
}


def figure_sources(wildcards):
    history = [f"results/zoos/{zoo}/history.parquet" for zoo in RUN.zoos] if wildcards.figure == "figure2" else []
    return results_of_zoos(FIGURE_SOURCES[wildcards.figure]) + history


def vd_shards(wildcards):
    return shard_files(wildcards.zoo, f"results/twins/{wildcards.zoo}/vd")


def lookup_threshold(wildcards):
    return zoo_of(wildcards).variational_dropout.threshold


rule collect_prune_shares:
    """For every weight, the share of a zoo's models in which variational dropout prunes it."""
    input:
        vd_shards,
    output:
        "results/metrics/{zoo}/vd_prune_shares.parquet",
    log:
        "results/logs/collect_prune_shares/{zoo}.log",
    benchmark:
        "results/benchmarks/collect_prune_shares/{zoo}.tsv"
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=120,
    params:
        threshold=lookup_threshold,
        code=sources("prune_shares"),
    script:
        "../workflow/scripts/collect_prune_shares.py"


rule make_figure:
    """A figure as PDF, SVG and PNG."""
    input:
        figure_sources,
    output:
        multiext("results/figures/{figure}", ".pdf", ".png"),
        report(
            "results/figures/{figure}.svg",
            caption="../workflow/report/figure.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
    log:
        "results/logs/make_figure/{figure}.log",
    benchmark:
        "results/benchmarks/make_figure/{figure}.tsv"
    wildcard_constraints:
        figure="|".join(FIGURE_SOURCES),
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        zoos=ANALYSED_ZOOS,
        code=sources("figures.gallery", "results"),
    script:
        "../workflow/scripts/make_figure.py"
