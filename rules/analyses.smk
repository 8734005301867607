# What tables and figures are made of: their sources, their modules, and the lookups of their rules.


def vd_shards(wildcards):
    return shard_files(wildcards.zoo, f"results/twins/{wildcards.zoo}/vd")


def lookup_analysis(wildcards):
    return analysed(wildcards.zoo)


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
    return code_of("make_table")


def table_sources(wildcards):
    return results_of_zoos(TABLE_SOURCES[wildcards.table])


def paper_table(wildcards):
    return from_root(f"resources/paper/{PAPER_ORDER.get(wildcards.table, 'table6')}.csv")


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
# The files whose rules Figure 1 shows.
WORKFLOW_FILES = [
    "Snakefile",
    *(
        f"rules/{name}.smk"
        for name in ("common", "analyses", "zoos", "twins", "metrics", "representations", "tables", "figures")
    ),
]


def figure_code(wildcards):
    return code_of("make_figure")


def figure_sources(wildcards):
    history = [f"results/zoos/{zoo}/history.parquet" for zoo in RUN.zoos] if wildcards.figure == "figure2" else []
    return results_of_zoos(FIGURE_SOURCES[wildcards.figure]) + history


def explorer_sources(wildcards):
    return results_of_zoos(["mp", "vd"])


# What the report's menu says of each table and figure.
REPORT_LABELS = {
    "table1": "agreement with the originals",
    "table2": "correlation with the originals",
    "table4": "configuration of the zoos",
    "table5": "magnitude pruning",
    "table6": "variational dropout",
    "table7": "layers, variational dropout",
    "table8": "layers, magnitude pruning",
    "table9": "Table 1 again",
    "rank_changes": "friendly and hard models",
    "rank_change_factors": "factors of friendliness",
    "predictability": "predicting a twin's accuracy",
    "paired_difference": "MP against VD, paired",
    "compression": "compression and speed-up",
    "findings": "the paper's findings, tested",
    "figure2": "training and sparsification",
    "figure3": "pruned weights",
    "figure4": "layer size and sparsity",
    "figure5": "accuracy against sparsity",
    "rank_change": "friendly and hard models",
    "table3": "hyper-representations",
    "zero_shot": "zero-shot twins",
    "latent_space": "latent space",
    "reconstruction": "reconstruction of a network",
    "property_prediction": "properties told from the latent space",
}


def report_labels(wildcards):
    """What the report's menu shows: the paper's number of a table or figure, and what is in it."""
    name = wildcards[0]
    number = f"{name[:-1].capitalize()} {name[-1]}" if name[-1].isdigit() else "beyond the paper"
    return {"result": number, "content": REPORT_LABELS[name]}


# Hyper-representations: the files of each zoo and seed that a table or figure is made of.
REPRESENTATION_TABLES = {"table3": "scores", "zero_shot": "zero_shot"}
REPRESENTATION_FIGURES = {
    "latent_space": "states",
    "reconstruction": "scores",
    "property_prediction": "states",
    "zero_shot": "zero_shot",
}
REPRESENTATION_TITLES = {
    zoo: RUN.catalogue[zoo].title for zoo in config["representations"]["zoos"] if zoo in RUN.catalogue
}
# The paper's zoo that each is to be compared with.
REPRESENTATION_COUNTERPARTS = {zoo: RUN.catalogue[zoo].compare_with or zoo for zoo in REPRESENTATION_TITLES}


def representation_settings(wildcards):
    """The settings of the auto-encoder, without those that say which are trained."""
    return {key: value for key, value in config["representations"].items() if key not in ("zoos", "seeds")}


def representation_results(kind):
    """The tables of a kind of all hyper-representations, refused here where there can be none."""
    try:
        RUN.representation_zoos()
    except InputError as error:
        raise WorkflowError(str(error)) from None
    return representation_files(f"_{kind}.parquet")


def representation_table_sources(wildcards):
    return representation_results(REPRESENTATION_TABLES[wildcards.table])


def printed_table(wildcards):
    """The paper's table of the same name, where it has one."""
    return [from_root("resources/paper/table3.csv")] if wildcards.table == "table3" else []


def representation_figure_sources(wildcards):
    return representation_results(REPRESENTATION_FIGURES[wildcards.figure])


def pruning_lr(wildcards):
    """The learning rate of magnitude pruning's fine-tuning, if it is not each model's own."""
    settings = zoo_of(wildcards).magnitude_pruning
    return settings.lr if settings else None
