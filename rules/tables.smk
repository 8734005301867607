# Tables of the configured zoos, from long tables alone.

# What each table is made of: tables under results/metrics/{zoo}, beside models.csv.
TABLE_SOURCES = {
    "table1": ["mp", "mp_agreement", "vd", "vd_agreement"],
    "table2": ["mp", "vd"],
    "table4": ["mp_layers", "vd_layers"],
    "table5": ["mp"],
    "table6": ["vd"],
    "table7": ["vd", "vd_layers"],
    "table8": ["mp", "mp_layers"],
    "table9": ["mp", "mp_agreement", "vd", "vd_agreement"],
    "rank_changes": ["mp_response", "vd_response"],
    "rank_change_factors": ["mp_response", "vd_response"],
    "predictability": ["mp", "vd", "weight_statistics"],
    "paired_difference": ["mp", "vd"],
    "compression": ["mp", "mp_layers", "vd", "vd_layers"],
    "findings": ["mp", "mp_agreement", "mp_response", "vd", "vd_agreement", "vd_layers", "vd_response"],
}
# The modules that make tables, where it is not `tables`.
TABLE_MODULES = {
    "rank_changes": "response",
    "rank_change_factors": "response",
    "predictability": "predictability",
    "paired_difference": "pairing",
    "compression": "compression",
    "findings": "findings",
}
# The paper's tables that we have numbers of. Another table orders its zoos as one of them does, Table 6 if it does
# not say otherwise.
PAPER_TABLES = ["table1", "table2", "table5", "table6", "table7", "table8"]
PAPER_ORDER = {name: name for name in PAPER_TABLES} | {"table9": "table1"}

ANALYSED_ZOOS = [analysed(zoo) for zoo in RUN.zoos]


def has_source(zoo, source):
    """Whether a zoo has a table of the name: it needs the method, and for a response the operating point too."""
    method, _, kind = source.partition("_")
    if method not in ("mp", "vd"):
        return True
    points = {"mp": RUN.catalogue[zoo].correlation.mp_sparsity, "vd": RUN.catalogue[zoo].correlation.vd_epoch}
    return method in RUN.catalogue[zoo].methods and (kind != "response" or points[method] is not None)


def results_of_zoos(sources):
    """models.csv and the given tables of every configured zoo, as far as it has them."""
    models = [f"results/zoos/{zoo}/models.csv" for zoo in RUN.zoos]
    return models + [
        f"results/metrics/{zoo}/{source}.parquet" for zoo in RUN.zoos for source in sources if has_source(zoo, source)
    ]


def table_code(wildcards):
    return sources(TABLE_MODULES.get(wildcards.table, "tables"), "typeset", "results")


def table_sources(wildcards):
    return results_of_zoos(TABLE_SOURCES[wildcards.table])


def paper_table(wildcards):
    return from_root(f"resources/paper/{PAPER_ORDER.get(wildcards.table, 'table6')}.csv")


rule make_table:
    """A table of all zoos: CSV with intervals and n; mean (std) for people."""
    input:
        results=table_sources,
        paper=paper_table,
    output:
        csv="results/tables/{table}.csv",
        md="results/tables/{table}.md",
        tex="results/tables/{table}.tex",
        html=report(
            "results/tables/{table}.html",
            caption="../workflow/report/table.rst",
            category="Tables",
            labels={"table": "{table}"},
        ),
    log:
        "results/logs/make_table/{table}.log",
    benchmark:
        "results/benchmarks/make_table/{table}.tsv"
    wildcard_constraints:
        table="|".join(TABLE_SOURCES),
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=4000,
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
    output:
        csv="results/tables/paper_comparison.csv",
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
        mem_mb=1000,
        runtime=10,
    params:
        zoos=ANALYSED_ZOOS,
        code=sources("paper_comparison", "figures.paper_comparison", "typeset"),
    script:
        "../workflow/scripts/compare_with_paper.py"
