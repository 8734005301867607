# Sparse model soups: pruned models retrained in several ways, averaged, and pruned further.
from zootwins.catalogue.soups import ARMS

SOUPS = get_experiment("soups")


wildcard_constraints:
    variant="|".join(ARMS),
    members=r"\d+",
    arm="|".join(dict.fromkeys(arm for arms in ARMS.values() for arm in arms)),


rule corrupt_dataset:
    """Write a data set's test images, corrupted at five severities, and those of other data sets."""
    input:
        dataset="results/zoos/{zoo}/dataset.safetensors",
        others=ask(SOUPS.shifted_set_files),
    output:
        "results/zoos/{zoo}/shifted.safetensors",
    log:
        "results/logs/corrupt_dataset/{zoo}.log",
    benchmark:
        "results/benchmarks/corrupt_dataset/{zoo}.tsv"
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=60,
    params:
        shifted_sets=ask(SOUPS.shifted_set_settings),
        code=code_of("corrupt_dataset"),
    script:
        "../workflow/scripts/corrupt_dataset.py"


rule make_soups:
    """Make soups of a shard of models, and what they are compared with; the variants without IMP inherit this rule."""
    input:
        originals="results/zoos/{zoo}/originals.safetensors",
        models="results/zoos/{zoo}/models.csv",
        dataset="results/zoos/{zoo}/dataset.safetensors",
    output:
        SOUPS.outputs("seed"),
    log:
        "results/logs/make_soups/{zoo}/{variant}-{members}/{shard}.log",
    benchmark:
        "results/benchmarks/make_soups/{zoo}/{variant}-{members}/{shard}.tsv"
    wildcard_constraints:
        variant="seed",
    conda:
        "../envs/zootwins.yaml"
    threads: 2
    resources:
        mem_mb=growing(3000),
        runtime=1440,
        gpu=GPUS,
    params:
        architecture=zoo_value("architecture"),
        architecture_code=architecture_code,
        settings=ask(SOUPS.settings_of_variant),
        engine=ENGINE,
        code=code_of("make_soups"),
    script:
        "../workflow/scripts/make_soups.py"


use rule make_soups as make_soups_varied with:
    output:
        SOUPS.outputs("lr"),
    wildcard_constraints:
        variant="weight_decay|lr|length",


use rule make_soups as make_soups_constant with:
    output:
        SOUPS.outputs("constant"),
    wildcard_constraints:
        variant="constant",


use rule make_soups as make_soups_dense with:
    output:
        SOUPS.outputs("dense"),
    wildcard_constraints:
        variant="dense",


rule mix_unrelated_models:
    """Average a shard's models with other models of the zoo, on their own masks and on one."""
    input:
        originals="results/zoos/{zoo}/originals.safetensors",
        models="results/zoos/{zoo}/models.csv",
        dataset="results/zoos/{zoo}/dataset.safetensors",
        members=ask(SOUPS.all_members),
    output:
        SOUPS.outputs("unrelated_models"),
    log:
        "results/logs/mix_unrelated_models/{zoo}/{variant}-{members}/{shard}.log",
    benchmark:
        "results/benchmarks/mix_unrelated_models/{zoo}/{variant}-{members}/{shard}.tsv"
    wildcard_constraints:
        variant="unrelated_models",
    conda:
        "../envs/zootwins.yaml"
    threads: 2
    resources:
        mem_mb=growing(3000),
        runtime=720,
        gpu=GPUS,
    params:
        architecture=zoo_value("architecture"),
        architecture_code=architecture_code,
        models=ask(RUN.models),
        settings=ask(SOUPS.settings_of_variant),
        engine=ENGINE,
        code=code_of("mix_unrelated_models"),
    script:
        "../workflow/scripts/mix_unrelated_models.py"


rule evaluate_soups:
    """Evaluate a shard's soups: accuracy, fairness, calibration, shifted images, and barriers between members."""
    input:
        shards=ask(SOUPS.shards),
        shifted=ask(SOUPS.shifted),
        originals="results/zoos/{zoo}/originals.safetensors",
        models="results/zoos/{zoo}/models.csv",
        dataset="results/zoos/{zoo}/dataset.safetensors",
    output:
        scores="results/soups/{zoo}/{variant}-{members}/{shard}_scores.parquet",
        pairs="results/soups/{zoo}/{variant}-{members}/{shard}_pairs.parquet",
        shifted="results/soups/{zoo}/{variant}-{members}/{shard}_shifted.parquet",
    log:
        "results/logs/evaluate_soups/{zoo}/{variant}-{members}/{shard}.log",
    benchmark:
        "results/benchmarks/evaluate_soups/{zoo}/{variant}-{members}/{shard}.tsv"
    conda:
        "../envs/zootwins.yaml"
    threads: 2
    resources:
        mem_mb=growing(6000),
        runtime=720,
        gpu=GPUS,
    params:
        architecture=zoo_value("architecture"),
        architecture_code=architecture_code,
        engine=ENGINE,
        code=code_of("evaluate_soups"),
    script:
        "../workflow/scripts/evaluate_soups.py"


rule collect_soups:
    """Collect long tables of all soups of a zoo."""
    input:
        unpack(ask(SOUPS.evaluated)),
        shards=ask(SOUPS.judged),
        dataset="results/zoos/{zoo}/dataset.safetensors",
    output:
        scores="results/metrics/{zoo}/soups.parquet",
        pairs="results/metrics/{zoo}/soup_pairs.parquet",
        shifted="results/metrics/{zoo}/soup_shifted.parquet",
        noise="results/metrics/{zoo}/soup_noise.parquet",
    log:
        "results/logs/collect_soups/{zoo}.log",
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(6000),
        runtime=60,
    params:
        soups=ask(SOUPS.averaged_kinds),
        code=code_of("collect_soups"),
    script:
        "../workflow/scripts/collect_soups.py"


use rule cut_model as cut_soup with:
    input:
        shards=ask(SOUPS.shard_of_model),
        models="results/zoos/{zoo}/models.csv",
    output:
        "results/models/{zoo}/{variant}-{members}-{arm}/{model}.safetensors",
    log:
        "results/logs/cut_soup/{zoo}/{variant}-{members}-{arm}/{model}.log",


rule export_soups:
    """Write the networks of an arm in the raw ModelZoo layout, a checkpoint per phase."""
    input:
        shards=ask(SOUPS.arm),
        models="results/zoos/{zoo}/models.csv",
        dataset="results/zoos/{zoo}/dataset.safetensors",
    output:
        "results/exports/{zoo}/{variant}-{members}-{arm}.zip",
    log:
        "results/logs/export_soups/{zoo}/{variant}-{members}-{arm}.log",
    benchmark:
        "results/benchmarks/export_soups/{zoo}/{variant}-{members}-{arm}.tsv"
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=120,
    params:
        architecture=zoo_value("architecture"),
        architecture_code=architecture_code,
        settings=ask(SOUPS.settings_of_variant),
        code=code_of("export_soups"),
    script:
        "../workflow/scripts/export_soups.py"
