# Soups while pruning trains: copies of a twin are averaged whenever its masks change.
PRUNING_SOUPS = get_experiment("pruning_soups")


rule make_pruning_soups:
    """Train a method with and without soups, for a shard of models: `zootwins.experiments.soups.while_pruning`."""
    input:
        unpack(ask(PRUNING_SOUPS.earlier)),
        originals="results/zoos/{zoo}/originals.safetensors",
        models="results/zoos/{zoo}/models.csv",
        dataset="results/zoos/{zoo}/dataset.safetensors",
    output:
        PRUNING_SOUPS.outputs(),
    log:
        "results/logs/make_pruning_soups/{zoo}/{method}/{shard}.log",
    benchmark:
        "results/benchmarks/make_pruning_soups/{zoo}/{method}/{shard}.tsv"
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
        settings=ask(PRUNING_SOUPS.method_settings),
        members=ask(PRUNING_SOUPS.members),
        engine=ENGINE,
        code=code_with("make_pruning_soups", PRUNING_SOUPS.modules),
    script:
        "../workflow/scripts/make_pruning_soups.py"


rule collect_pruning_soups:
    """Collect accuracies of all arms and barriers between copies as long tables of a zoo."""
    input:
        shards=ask(PRUNING_SOUPS.shards),
        originals="results/zoos/{zoo}/originals.safetensors",
        models="results/zoos/{zoo}/models.csv",
        dataset="results/zoos/{zoo}/dataset.safetensors",
    output:
        scores="results/metrics/{zoo}/pruning_soups.parquet",
        pairs="results/metrics/{zoo}/pruning_soup_pairs.parquet",
    log:
        "results/logs/collect_pruning_soups/{zoo}.log",
    benchmark:
        "results/benchmarks/collect_pruning_soups/{zoo}.tsv"
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
        members=ask(PRUNING_SOUPS.members),
        engine=ENGINE,
        code=code_of("collect_pruning_soups"),
    script:
        "../workflow/scripts/collect_pruning_soups.py"
