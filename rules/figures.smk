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
# The modules that draw the paper's figures; the others have the names of their files.
PAPER_FIGURES = {"figure2": "trajectories", "figure3": "weights", "figure4": "layer_size", "figure5": "tradeoff"}


def figure_code(wildcards):
    return sources(f"figures.{PAPER_FIGURES.get(wildcards.figure, wildcards.figure)}", "results")


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
        code=figure_code,
    script:
        "../workflow/scripts/make_figure.py"


def explorer_sources(wildcards):
    return results_of_zoos(["mp", "vd"])


rule make_explorer:
    """One page to explore every model in, with a browser and without a network."""
    input:
        explorer_sources,
    output:
        report(
            "results/explorer.html",
            caption="../workflow/report/explorer.rst",
            category="Explorer",
            labels={"page": "explorer"},
        ),
    log:
        "results/logs/make_explorer.log",
    benchmark:
        "results/benchmarks/make_explorer.tsv"
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        zoos=ANALYSED_ZOOS,
        code=sources("explorer", "results"),
    script:
        "../workflow/scripts/make_explorer.py"
