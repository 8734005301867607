# The files that a run comes to: what `all` restores and `verify` reads.


def made_files(wildcards):
    """What the configured zoos are made of and come to, by kind, but for what can be had again from elsewhere."""
    zoos = dict.fromkeys([*RUN.zoos, *(originals_of(RUN.catalogue[zoo]).id for zoo in RUN.zoos)])
    folders = [f"results/zoos/{zoo}" for zoo in zoos]
    trained = [zoo for zoo in zoos if RUN.catalogue[zoo].train]
    return {kind: [f"{folder}/{kind}.safetensors" for folder in folders] for kind in TENSORS} | {
        "models": [f"{folder}/models.csv" for folder in folders],
        "history": [f"{folder}/history.parquet" for folder in folders],
        "initial": [f"results/zoos/{zoo}/initial.safetensors" for zoo in RUN.zoos if needs_initial_weights(zoo)],
        "shard": [file for zoo in trained for file in shard_files(zoo, f"results/zoos/{zoo}/trained")]
        + all_shards(wildcards),
        "metrics": [file for file in results_of_zoos(METRICS) if file.endswith(".parquet")],
        "table": expand("results/tables/{table}.csv", table=ALL_TABLES),
    }


def needs_initial_weights(zoo):
    methods = RUN.catalogue[zoo].methods.items()
    return any(get_sparsifier(method).needs_initial(settings) for method, settings in methods)


def possible_files(wildcards):
    """What was made only if somebody asked for it, by kind."""
    models = representation_files(".safetensors")
    tables = RULE_TABLES["make_representation_table"] if models else []
    soups = soup_files(wildcards)
    return {
        "representation": models,
        "shard": soups.pop("shard"),
        "shifted": soups.pop("shifted"),
        "soups": [file for files in soups.values() for file in files],
        "representation_table": [file for suffix in SUFFIXES for file in representation_files(suffix)]
        + expand("results/tables/{table}.csv", table=tables),
        "transfer_table": expand("results/tables/{table}.csv", table=RULE_TABLES["make_transfer_table"]),
        "replication": [file for file in results_of_zoos(["hypotheses"]) if file.endswith(".parquet")]
        + ["results/tables/hypotheses.csv"],
    }


def representation_intermediates(wildcards):
    """What `representations` made on the way; refused where there can be none."""
    representation_results("scores")
    suffixes = (".safetensors", "_history.csv.sha256", *SUFFIXES)
    return [file for suffix in suffixes for file in representation_files(suffix)]


def transfer_intermediates(wildcards):
    """What `transfer` made on the way; refused where there can be nothing."""
    return [file for zoo in RUN.zoos for file in transfer_made(zoo)]


def transfer_made(zoo):
    """The files that the transfer of a zoo comes to."""
    folder, shards = f"results/transfer/{zoo}", RUN.shards(zoo)
    tasks = [task.replace(":", "-") for task in or_refuse(RUN.transfer_tasks, zoo)]
    methods = {candidate["method"] for mode in MODES for candidate in candidates_of(zoo, mode)}
    places = [f"{folder}/{task}/{mode}" for task in tasks for mode in MODES]
    return [
        *[f"results/tasks/{zoo}/{task}.safetensors" for task in tasks],
        *(shard_files(zoo, f"{folder}/random") if RANDOM in methods else []),
        *([initial_of(zoo)] if methods & {*FROM_INITIAL} else []),
        *[file for task in tasks for file in shard_files(zoo, f"{folder}/{task}/full")],
        *[f"{place}/{name}" for place in places for name in ("lr.csv", "lr.csv.sha256")],
        *[f"{place}/{shard}.parquet" for place in places for shard in shards],
        f"results/metrics/{zoo}/transfer.parquet",
    ]


def intermediate_files(wildcards):
    """What a run made on the way to its tables and figures, and the checksums beside it."""
    made = made_files(wildcards)
    files = [file for kind, files in made.items() if kind != "table" for file in files]
    return files + [f"{file}.sha256" for file in made["models"]]


# The tables of a hyper-representation.
SUFFIXES = (
    "_history.csv",
    "_scores.parquet",
    "_sizes.parquet",
    "_states.parquet",
    "_decisions.parquet",
    "_zero_shot.parquet",
)
TENSORS = ("dataset", "originals", "predictions")
METRICS = list(
    dict.fromkeys(
        ["*/scores", "*/layers", "*/agreement"]
        + [source for name in RULE_TABLES["make_table"] if name in ALL_TABLES for source in TABLES[name].sources]
        + [source for name in RULE_FIGURES["make_figure"] for source in FIGURES[name].sources if source != "history"]
    )
)
