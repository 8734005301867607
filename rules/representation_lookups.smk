# What hyper-representations are made of: the lookups of their rules.


# The files of each zoo and seed that a figure is made of.
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
