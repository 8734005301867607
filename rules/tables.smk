# Tables of every experiment, from long tables alone.


rule make_table:
    """Write a table of an experiment: CSV with intervals and n for machines; Markdown, LaTeX and HTML for people."""
    input:
        results=ask(FILES.sources),
        paper=ask(FILES.beside),
    output:
        csv="results/tables/{table}.csv",
        checksum="results/tables/{table}.csv.sha256",
        md="results/tables/{table}.md",
        tex="results/tables/{table}.tex",
        html=report(
            "results/tables/{table}.html",
            caption="../workflow/report/table.rst",
            category=result_value("chapter"),
            labels=result_value("labels"),
        ),
    log:
        "results/logs/make_table/{table}.log",
    benchmark:
        "results/benchmarks/make_table/{table}.tsv"
    wildcard_constraints:
        table=one_of(tables()),
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=60,
    params:
        zoos=ask(FILES.zoos),
        caption=result_value("text"),
        code=code_with("make_table", FILES.modules),
    script:
        "../workflow/scripts/make_table.py"
