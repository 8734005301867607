# Tables of the configured zoos, from long tables alone.


rule make_table:
    """A table of all zoos: CSV with intervals and n; mean (std) for people."""
    input:
        results=table_sources,
        paper=paper_table,
    output:
        csv="results/tables/{table}.csv",
        checksum="results/tables/{table}.csv.sha256",
        md="results/tables/{table}.md",
        tex="results/tables/{table}.tex",
        html=report(
            "results/tables/{table}.html",
            caption="../workflow/report/table.rst",
            category="Tables",
            labels=report_labels,
        ),
    log:
        "results/logs/make_table/{table}.log",
    benchmark:
        "results/benchmarks/make_table/{table}.tsv"
    wildcard_constraints:
        table="|".join(RULE_TABLES["make_table"]),
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=60,
    params:
        zoos=ANALYSED_ZOOS,
        code=table_code,
    script:
        "../workflow/scripts/make_table.py"


rule compare_with_paper:
    """Every number of the paper whose zoo was run, beside ours."""
    input:
        tables=expand("results/tables/{table}.csv", table=PAPER_TABLES),
        paper=[from_root(f"resources/paper/{table}.csv") for table in PAPER_TABLES],
        models=from_root("resources/paper/zoos.csv"),
    output:
        csv="results/tables/paper_comparison.csv",
        checksum="results/tables/paper_comparison.csv.sha256",
        md="results/tables/paper_comparison.md",
        tex="results/tables/paper_comparison.tex",
        html=report(
            "results/tables/paper_comparison.html",
            caption="../workflow/report/table.rst",
            category="Comparison with the paper",
            labels={"result": "table"},
        ),
        pdf="results/figures/paper_comparison.pdf",
        png="results/figures/paper_comparison.png",
        svg=report(
            "results/figures/paper_comparison.svg",
            caption="../workflow/report/figure.rst",
            category="Comparison with the paper",
            labels={"result": "figure"},
        ),
    log:
        "results/logs/compare_with_paper.log",
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=10,
    params:
        zoos=ANALYSED_ZOOS,
        code=code_of("compare_with_paper", TABLES["paper_comparison"].module),
    script:
        "../workflow/scripts/compare_with_paper.py"


rule derive_table:
    """A table that says in short what other tables say."""
    input:
        derived_table_sources,
    output:
        csv="results/tables/{table}.csv",
        checksum="results/tables/{table}.csv.sha256",
        md="results/tables/{table}.md",
        tex="results/tables/{table}.tex",
        html=report(
            "results/tables/{table}.html",
            caption="../workflow/report/table.rst",
            category="Comparison with the paper",
            labels=report_labels,
        ),
    log:
        "results/logs/derive_table/{table}.log",
    wildcard_constraints:
        table="|".join(RULE_TABLES["derive_table"]),
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=10,
    params:
        zoos=ANALYSED_ZOOS,
        code=derived_table_code,
    script:
        "../workflow/scripts/derive_table.py"
