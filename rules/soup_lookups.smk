# Sparse model soups: the lookups of their rules.
from zootwins.catalogue.soups import ARMS

SOUP_ZOOS = [zoo for zoo in RUN.zoos if zoo in RUN.soups]
ANALYSED_SOUP_ZOOS = [analysed(zoo) for zoo in SOUP_ZOOS]
SOUP_METRICS = ("soups", "soup_pairs", "soup_shifted", "soup_noise")
UNSHIFTED = ("constant", "dense", "unrelated_models")  # controls, which no shifted images are for


wildcard_constraints:
    variant="|".join(ARMS),
    members=r"\d+",
    arm="|".join(dict.fromkeys(arm for arms in ARMS.values() for arm in arms)),


def soups_of(zoo):
    """The settings of a zoo's soups, refused here where it has none."""
    if zoo not in RUN.soups:
        refuse(f"{zoo} has no soups in this configuration; see its key soups")
    return RUN.soups[zoo]


def soup_settings(wildcards):
    """What decides the networks of a variant with some number of members, refused where they are not configured."""
    settings, variant, members = soups_of(wildcards.zoo), wildcards.variant, int(wildcards.members)
    if variant not in settings.variants or members not in settings.members:
        refuse(f"{variant}-{members}: no soups of this configuration; see its section soups")
    return settings.of_variant(variant, members)


def shifted_set_settings(wildcards):
    return [dataset_settings(name) for name in soups_of(wildcards.zoo).shifted_sets]


def files_of_shifted_sets(wildcards):
    return [file for name in soups_of(wildcards.zoo).shifted_sets for file in files_of_dataset(name)]


def soup_arms(variant):
    """What training a variant makes: a shard an arm, in the order of `ARMS`."""
    return [f"results/soups/{{zoo}}/{{variant}}-{{members}}-{arm}/{{shard}}.safetensors" for arm in ARMS[variant]]


def soup_shards(wildcards):
    """All arms of a variant for a shard of models."""
    return [file.format(**dict(wildcards.items())) for file in soup_arms(wildcards.variant)]


def shifted_images(wildcards):
    return [] if wildcards.variant in UNSHIFTED else [f"results/zoos/{wildcards.zoo}/shifted.safetensors"]


def first_members(wildcards):
    """The candidates of all of a zoo's models: strangers are in any shard."""
    return shard_files(wildcards.zoo, f"results/soups/{wildcards.zoo}/seed-{wildcards.members}-member")


def soup_kinds(wildcards):
    """Variants and numbers of members of a zoo's soups, but for strangers."""
    settings = soups_of(wildcards.zoo)
    return [
        [variant, members]
        for members in settings.members
        for variant in settings.variants
        if variant != "unrelated_models"
    ]


def judged_soups(wildcards):
    """The shards whose predictions tell how much of the gains' spread is that of the test images."""
    return [
        file
        for variant, members in soup_kinds(wildcards)
        for arm in ARMS[variant]
        if arm in ("member", "soup", "imp_long")
        for file in shard_files(wildcards.zoo, f"results/soups/{wildcards.zoo}/{variant}-{members}-{arm}")
    ]


def soup_tables(wildcards):
    return evaluated_soups(wildcards.zoo)


def evaluated_soups(zoo):
    """The tables of every shard of a zoo, by kind."""
    settings = soups_of(zoo)
    folders = [
        f"results/soups/{zoo}/{variant}-{members}" for members in settings.members for variant in settings.variants
    ]
    return {
        kind: [f"{folder}/{shard}_{kind}.parquet" for folder in folders for shard in RUN.shards(zoo)]
        for kind in ("scores", "pairs", "shifted")
    }


def exported_soups(wildcards):
    """All shards of an arm, refused here where the variant does not have it."""
    kind = f"{wildcards.variant}-{wildcards.members}-{wildcards.arm}"
    soup_settings(wildcards)
    if wildcards.arm not in ARMS[wildcards.variant]:
        refuse(f"{kind}: no arm of these soups; docs/soups.md lists them")
    return shard_files(wildcards.zoo, f"results/soups/{wildcards.zoo}/{kind}")


def soup_shards_of_model(wildcards):
    return model_shards(wildcards, exported_soups(wildcards))


def soup_table_sources(wildcards):
    return soup_results(TABLES[wildcards.table].sources)


def soup_figure_sources(wildcards):
    return soup_results(FIGURES[wildcards.figure].sources)


def soup_results(sources):
    """models.csv and the given tables of every zoo with soups, refused here where there is none."""
    if not SOUP_ZOOS:
        refuse("configuration: none of the zoos has soups; list one under zoos whose key soups is not false")
    return [f"results/zoos/{zoo}/models.csv" for zoo in SOUP_ZOOS] + [
        f"results/metrics/{zoo}/{source}.parquet" for zoo in SOUP_ZOOS for source in sources
    ]


def soup_files(wildcards):
    """What soups come to, by kind."""
    settings = {zoo: RUN.soups[zoo] for zoo in SOUP_ZOOS}
    return {
        "shard": [
            file
            for zoo, of_zoo in settings.items()
            for members in of_zoo.members
            for variant in of_zoo.variants
            for arm in ARMS[variant]
            for file in shard_files(zoo, f"results/soups/{zoo}/{variant}-{members}-{arm}")
        ],
        "shifted": [f"results/zoos/{zoo}/shifted.safetensors" for zoo in settings],
        "evaluated": [file for zoo in settings for files in evaluated_soups(zoo).values() for file in files],
        "metrics": [f"results/metrics/{zoo}/{name}.parquet" for zoo in settings for name in SOUP_METRICS],
        "table": expand("results/tables/{table}.csv", table=RULE_TABLES["make_soup_table"]),
    }


def soup_intermediates(wildcards):
    """What `soups` made on the way to its tables; refused where there can be none."""
    soup_results(())
    made = soup_files(wildcards)
    return [file for kind, files in made.items() if kind != "table" for file in files]
