# Figures of every experiment, from long tables alone, and the explorer.
RULES = sorted(f"rules/{path.name}" for path in (ROOT / "rules").glob("*.smk"))  # what Figure 1 shows


rule make_figure:
    """Draw a figure of an experiment as PDF, SVG and PNG."""
    input:
        results=ask(FILES.sources),
        paper=ask(FILES.beside),
    output:
        multiext("results/figures/{figure}", ".pdf", ".png"),
        report(
            "results/figures/{figure}.svg",
            caption="../workflow/report/figure.rst",
            category=result_value("chapter"),
            labels=result_value("labels"),
        ),
    log:
        "results/logs/make_figure/{figure}.log",
    benchmark:
        "results/benchmarks/make_figure/{figure}.tsv"
    wildcard_constraints:
        figure=one_of(figures()),
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=60,
    params:
        zoos=ask(FILES.zoos),
        caption=result_value("text"),
        code=code_with("make_figure", FILES.modules),
    script:
        "../workflow/scripts/make_figure.py"


rule make_explorer:
    """Write a page to explore every model in, with a browser and without a network."""
    input:
        ask(FILES.explored),
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
        zoos=[RUN.analysed(zoo) for zoo in RUN.zoos],
        code=code_of("make_explorer", *METHOD_MODULES),
    script:
        "../workflow/scripts/make_explorer.py"


rule draw_workflow:
    """Draw Figure 1, the workflow, from its rule graph."""
    input:
        [FILES.of_project(path) for path in ("Snakefile", *RULES)],
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
