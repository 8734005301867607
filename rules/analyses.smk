# What tables and figures are made of: the lookups of their rules.
from itertools import chain

from zootwins.catalogue.transfer import TaskSource
from zootwins.experiments.transfer.candidates import RANDOM, candidates
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
PAPER_ZOOS = {row["zoo"]: int(row["models"]) for row in csv.DictReader((ROOT / "resources/paper/zoos.csv").open())}
COUNTERPARTS = {
    id: counterpart for id, zoo in RUN.catalogue.items() if (counterpart := zoo.compare_with or id) in PAPER_ZOOS
}


def sources_of(zoo, source):
    """The files that a source stands for in a zoo: those of the methods that it has, responses where there is a point.

    Masks overlap where there are two methods.
    """
    if source == "candidates":
        return [f"results/metrics/{zoo.id}/candidates.parquet"] if zoo.id in COUNTERPARTS else []
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
    *(
        f"rules/{name}.smk"
        for name in (
            "common",
            "analyses",
            "zoos",
            "twins",
            "metrics",
            "representations",
            "soup_lookups",
            "soups",
            "transfer",
            "tables",
            "figures",
            "verify",
            "made",
        )
    ),
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


# Hyper-representations: the files of each zoo and seed that a table or figure is made of.
REPRESENTATION_FIGURES = {
    "latent_space": "states",
    "reconstruction": "scores",
    "property_prediction": "states",
    "representation_baselines": "scores",
    "latent_size": "sizes",
    "prune_decisions": "decisions",
    "zero_shot": "zero_shot",
}
REPRESENTATION_TITLES = {
    zoo: RUN.catalogue[zoo].title
    for zoo in (*RUN.config.representations.zoos, *RUN.config.representations.across)
    if zoo in RUN.catalogue
}
# The paper's zoo that each is to be compared with.
REPRESENTATION_COUNTERPARTS = {zoo: RUN.catalogue[zoo].compare_with or zoo for zoo in REPRESENTATION_TITLES}


def representation_settings(wildcards):
    """The settings of the auto-encoder, without those that say which are trained."""
    return {
        key: value
        for key, value in RUN.config.representations.model_dump().items()
        if key not in ("zoos", "across", "seeds")
    }


def representation_results(kind):
    """The tables of a kind of all hyper-representations, refused here where there can be none."""
    try:
        RUN.representation_zoos()
    except InputError as error:
        refuse(error)
    return representation_files(f"_{kind}.parquet")


def representation_table_code(wildcards):
    return code_of("make_representation_table", TABLES[wildcards.table].module)


def representation_table_sources(wildcards):
    return representation_results(*TABLES[wildcards.table].sources)


def printed_table(wildcards):
    """The paper's table of the same name, where it has one."""
    return [from_root("resources/paper/table3.csv")] if wildcards.table == "table3" else []


def representation_figure_sources(wildcards):
    return representation_results(REPRESENTATION_FIGURES[wildcards.figure])


def targets_of(wildcards):
    """The zoos whose models are sparsified by what is learned from one: itself first."""
    return list(dict.fromkeys((wildcards.zoo, *RUN.config.representations.across)))


def zero_shot_targets(wildcards):
    """What is read of each target; the trained twins of the first are the zoo's own."""
    targets = targets_of(wildcards)
    files = {kind: [f"results/zoos/{zoo}/{kind}.safetensors" for zoo in targets] for kind in TENSORS}
    return files | {
        "models": [f"results/zoos/{zoo}/models.csv" for zoo in targets],
        "others": [file for zoo in targets[1:] for file in shard_files(zoo, f"results/twins/{zoo}/vd")],
    }


def lookup_targets(wildcards):
    """Of each target: how many models the run takes, in how many shards, and how pruning and twins were made."""
    return {
        zoo: {
            "models": RUN.models(zoo),
            "shards": len(RUN.shards(zoo)),
            "lr": pruning_lr(RUN.catalogue[zoo]),
        }
        for zoo in targets_of(wildcards)
    }


def pruning_lr(zoo):
    """The learning rate of magnitude pruning's fine-tuning, if it is not each model's own."""
    settings = zoo.methods.get("mp")
    return settings.lr if settings else None


def paper_methods(zoo):
    """Those of the paper's methods that a zoo has."""
    return [method for method in ("mp", "vd") if method in zoo.methods]


def paper_shards(wildcards):
    """The shards of a zoo's twins by the paper's methods."""
    folder = f"results/twins/{wildcards.zoo}"
    return [
        file for method in paper_methods(zoo_of(wildcards)) for file in shard_files(wildcards.zoo, f"{folder}/{method}")
    ]


def candidate_sources(wildcards):
    zoo = zoo_of(wildcards)
    sources = [f"{method}/{table}" for method in paper_methods(zoo) for table in ("scores", "agreement")]
    return [f"results/zoos/{zoo.id}/models.csv", *(file for source in sources for file in sources_of(zoo, source))]


def lookup_counterpart(wildcards):
    return COUNTERPARTS[wildcards.zoo]


def lookup_paper_models(wildcards):
    return PAPER_ZOOS[COUNTERPARTS[wildcards.zoo]]


# Transfer: tasks by the names that their files have, and what goes where.
MODES = ("linear", "full")
TASKS = {task.replace(":", "-"): task for task in RUN.config.transfer.tasks}


def or_refuse(lookup, zoo):
    """What the run knows of a zoo's transfer, or the end in one line."""
    try:
        return lookup(zoo)
    except InputError as error:
        refuse(error)


def task_source(wildcards):
    return TaskSource.of(TASKS[wildcards.task])


def task_variant(wildcards):
    return task_source(wildcards).variant


def task_dataset(wildcards):
    """The data set of a task, where it is not a zoo's."""
    return task_source(wildcards).dataset


def task_of_zoo(wildcards):
    """The data of another zoo that a task is made from."""
    zoo = task_source(wildcards).zoo
    return [f"results/zoos/{zoo}/dataset.safetensors"] if zoo else []


def candidates_of(zoo, mode):
    """What is transferred of each of a zoo's models, as plain values."""
    points = or_refuse(RUN.transfer_points, zoo)
    return [candidate.plain() for candidate in candidates(points, RUN.config.transfer, mode)]


def transferred(wildcards):
    return candidates_of(wildcards.zoo, wildcards.mode)


def transferred_twins(wildcards):
    """The shards of the twins that are transferred, by method, the random ones among them."""
    methods = {candidate["method"] for candidate in transferred(wildcards)}
    folders = {method: f"results/twins/{wildcards.zoo}/{method}" for method in zoo_of(wildcards).methods}
    folders[RANDOM] = f"results/transfer/{wildcards.zoo}/random"
    return {
        method: f"{folder}/{wildcards.shard}.safetensors" for method, folder in folders.items() if method in methods
    }


def random_points(wildcards):
    """The operating points of magnitude pruning that random pruning takes its counts from, as plain values."""
    return [one["point"] for one in candidates_of(wildcards.zoo, "full") if one["method"] == RANDOM]


def transfer_settings(wildcards):
    return getattr(RUN.config.transfer, wildcards.mode).model_dump()


def methods_settings(wildcards):
    return {method: settings.model_dump() for method, settings in zoo_of(wildcards).methods.items()}


def transfer_files(wildcards):
    """The rows of every task, mode and shard of a zoo."""
    tasks = [task.replace(":", "-") for task in or_refuse(RUN.transfer_tasks, wildcards.zoo)]
    return [
        f"results/transfer/{wildcards.zoo}/{task}/{mode}/{shard}.parquet"
        for task in tasks
        for mode in MODES
        for shard in RUN.shards(wildcards.zoo)
    ]
