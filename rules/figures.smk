# Figures of the configured zoos, from long tables alone.


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
            labels=report_labels,
        ),
    log:
        "results/logs/make_figure/{figure}.log",
    benchmark:
        "results/benchmarks/make_figure/{figure}.tsv"
    wildcard_constraints:
        figure="|".join(RULE_FIGURES["make_figure"]),
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=60,
    params:
        zoos=ANALYSED_ZOOS,
        code=figure_code,
    script:
        "../workflow/scripts/make_figure.py"


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
        mem_mb=growing(4000),
        runtime=30,
    params:
        zoos=ANALYSED_ZOOS,
        code=code_of("make_explorer", *METHOD_MODULES),
    script:
        "../workflow/scripts/make_explorer.py"


rule draw_workflow:
    """Figure 1: the workflow, from its rule graph."""
    input:
        [from_root(path) for path in WORKFLOW_FILES],
    output:
        multiext("results/figures/figure1", ".pdf", ".png"),
        report(
            "results/figures/figure1.svg",
            caption="../workflow/report/figure1.rst",
            category="Figures",
            labels={"result": "Figure 1", "content": "the workflow"},
        ),
    log:
        "results/logs/draw_workflow.log",
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=10,
    params:
        zoos=[RUN.catalogue[zoo].plain() for zoo in RUN.zoos],
        code=code_of("draw_workflow"),
    script:
        "../workflow/scripts/draw_workflow.py"
