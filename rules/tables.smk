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
}
# The paper's table that a table takes the order of its rows from, where it is not its own.
PAPER_ORDER = {"table4": "table6", "table9": "table1"}

# What a table or figure depends on in the catalogue's entries: all but where a zoo comes from.
ANALYSED_ZOOS = [
    {
        **{
            key: value
            for key, value in asdict(RUN.catalogue[zoo]).items()
            if key not in ("archive", "directory", "train")
        },
        "models": RUN.models(zoo),
    }
    for zoo in RUN.zoos
]


def results_of_zoos(sources):
    """models.csv and the given tables of every configured zoo, as far as it has the methods."""
    models = [f"results/zoos/{zoo}/models.csv" for zoo in RUN.zoos]
    return models + [
        f"results/metrics/{zoo}/{source}.parquet"
        for zoo in RUN.zoos
        for source in sources
        if source.split("_")[0] in RUN.catalogue[zoo].methods
    ]


def table_sources(wildcards):
    return results_of_zoos(TABLE_SOURCES[wildcards.table])


def paper_table(wildcards):
    return from_root(f"resources/paper/{PAPER_ORDER.get(wildcards.table, wildcards.table)}.csv")


rule make_table:
    """A table of the paper: CSV with intervals and n; mean (std) for people."""
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
        code=sources("tables", "typeset", "results"),
    script:
        "../workflow/scripts/make_table.py"
