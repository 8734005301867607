# Figures of the configured zoos, from long tables alone.

# What each figure is made of: tables under results/metrics/{zoo}, beside models.csv.
FIGURE_SOURCES = {
    "figure2": ["vd"],
    "figure3": ["vd_prune_shares"],
    "figure4": ["vd_layers"],
    "figure5": ["mp", "vd"],
    "rank_change": ["mp_response", "vd_response"],
    "predictability": ["mp", "vd", "weight_statistics"],
    "paired_difference": ["mp", "vd"],
    "compression": ["mp", "mp_layers", "vd", "vd_layers"],
}


def figure_sources(wildcards):
    history = [f"results/zoos/{zoo}/history.parquet" for zoo in RUN.zoos] if wildcards.figure == "figure2" else []
    return results_of_zoos(FIGURE_SOURCES[wildcards.figure]) + history


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
