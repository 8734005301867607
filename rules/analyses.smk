# What tables and figures are made of: the lookups of their rules.
import re
from itertools import chain

from zootwins.reporting.gallery.figures import FIGURES
from zootwins.reporting.gallery import TABLES


def vd_shards(wildcards):
    return shard_files(wildcards.zoo, f"results/twins/{wildcards.zoo}/vd")


def shards_by_method(wildcards):
    return {
        method: shard_files(wildcards.zoo, f"results/twins/{wildcards.zoo}/{method}")
        for method in zoo_of(wildcards).methods
    }


def lookup_analysis(wildcards):
    return analysed(wildcards.zoo)


# The tables of each rule.
RULE_TABLES = {
    maker: [table.name for table in TABLES.values() if table.rule == maker]
    for maker in ("make_table", "make_representation_table", "make_soup_table", "make_transfer_table", "derive_table")
}
RULE_FIGURES = {
    maker: [name for name, drawing in FIGURES.items() if drawing.rule == maker]
    for maker in ("make_figure", "make_soup_figure", "make_transfer_figure")
}
# The tables of every run: of the configured zoos, and beside the paper's.
ALL_TABLES = [table.name for table in TABLES.values() if table.target == "tables"]
ALL_FIGURES = ["figure1", *RULE_FIGURES["make_figure"], "paper_comparison"]
PAPER_TABLES = TABLES["paper_comparison"].sources

ANALYSED_ZOOS = [analysed(zoo) for zoo in RUN.zoos]
# Results are read by way of the methods' curves.
METHOD_MODULES = [
    module_of(method) for method in dict.fromkeys(chain.from_iterable(zoo["methods"] for zoo in ANALYSED_ZOOS))
]


# The paper's zoo that each zoo is, or is like, where its tables have it.
PAPER_ZOOS = {
    row["zoo"]: int(row["models"]) for row in csv.DictReader((ROOT / "resources/paper/zoos.csv").open(encoding="utf-8"))
}
for id, zoo in RUN.catalogue.items():
    if zoo.compare_with not in (None, *PAPER_ZOOS):
        refuse(
            f"{RUN.config.catalogue}: zoos.{id}.compare_with: {zoo.compare_with!r} is no zoo of the paper; "
            f"those are {', '.join(PAPER_ZOOS)}"
        )
COUNTERPARTS = {
    id: counterpart for id, zoo in RUN.catalogue.items() if (counterpart := zoo.compare_with or id) in PAPER_ZOOS
}


def sources_of(zoo, source):
    """The files that a source stands for in a zoo: those of the methods that it has, responses where there is a point.

    Masks overlap where there are two methods.
    """
    if source == "hypotheses":
        return [f"results/metrics/{zoo.id}/hypotheses.parquet"] if zoo.id in COUNTERPARTS else []
    if source == "history":
        return [f"results/zoos/{zoo.id}/history.parquet"]
    method, _, table = source.rpartition("/")
    methods = [known for known in zoo.methods if method in (known, "*")] if method else [""]
    if table == "response":
        methods = [method for method in methods if method in zoo.operating_points("correlation")]
    if source == "mask_overlap" and len(zoo.methods) < 2:
        return []
    return [f"results/metrics/{zoo.id}/{method}{'/' * bool(method)}{table}.parquet" for method in methods]


def results_of_zoos(sources):
    """models.csv and the given tables of every configured zoo, as far as it has them."""
    zoos = [RUN.catalogue[zoo] for zoo in RUN.zoos]
    files = [file for zoo in zoos for source in sources for file in sources_of(zoo, source)]
    return [f"results/zoos/{zoo.id}/models.csv" for zoo in zoos] + list(dict.fromkeys(files))


def table_code(wildcards):
    return code_of("make_table", TABLES[wildcards.table].module, *METHOD_MODULES)


def table_sources(wildcards):
    return results_of_zoos(TABLES[wildcards.table].sources)


def derived_table_code(wildcards):
    return code_of("derive_table", TABLES[wildcards.table].module)


def derived_table_sources(wildcards):
    return expand("results/tables/{table}.csv", table=TABLES[wildcards.table].sources)


def paper_table(wildcards):
    return from_root(f"resources/paper/{TABLES[wildcards.table].order}.csv")


# The files that a table and a figure are.
TABLE_FORMS = [".csv", ".csv.sha256", ".md", ".tex", ".html"]
FIGURE_FORMS = [".pdf", ".png", ".svg"]

# The files whose rules Figure 1 shows.
WORKFLOW_FILES = [
    "Snakefile",
    *re.findall(r'^include: "(.+)"$', (ROOT / "Snakefile").read_text(encoding="utf-8"), re.MULTILINE),
]


def figure_code(wildcards):
    return code_of("make_figure", FIGURES[wildcards.figure].module, *METHOD_MODULES)


def figure_sources(wildcards):
    return results_of_zoos(FIGURES[wildcards.figure].sources)


def explorer_sources(wildcards):
    return results_of_zoos(["*/scores"])


# What the report's menu says of each table and figure.
REPORT_LABELS = {
    "latent_space": "latent space",
    "reconstruction": "reconstruction of a network",
    "property_prediction": "properties told from the latent space",
    "latent_size": "reconstruction by the size of the latent vector",
    "representation_baselines": "hyper-representations beside what is simpler",
} | {name: one.label for name, one in (FIGURES | TABLES).items()}


def report_labels(wildcards):
    """What the report's menu shows: the paper's number of a table or figure, and what is in it."""
    name = wildcards[0]
    number = f"{name[:-1].capitalize()} {name[-1]}" if name[-1].isdigit() else "beyond the paper"
    return {"result": number, "content": REPORT_LABELS[name]}


def paper_methods(zoo):
    """Those of the paper's methods that a zoo has."""
    return [method for method in ("mp", "vd") if method in zoo.methods]


def paper_shards(wildcards):
    """The shards of a zoo's twins by the paper's methods."""
    folder = f"results/twins/{wildcards.zoo}"
    return [
        file for method in paper_methods(zoo_of(wildcards)) for file in shard_files(wildcards.zoo, f"{folder}/{method}")
    ]


def hypothesis_sources(wildcards):
    zoo = zoo_of(wildcards)
    sources = [f"{method}/{table}" for method in paper_methods(zoo) for table in ("scores", "agreement")]
    return [f"results/zoos/{zoo.id}/models.csv", *(file for source in sources for file in sources_of(zoo, source))]


def lookup_counterpart(wildcards):
    return COUNTERPARTS[wildcards.zoo]


def lookup_paper_models(wildcards):
    return PAPER_ZOOS[COUNTERPARTS[wildcards.zoo]]
