# From an archive, a folder or generating factors to checked dense models and their image data.
#
# What training starts from comes from checkpoints. Nothing waits for them to know the jobs; but Snakemake looks at the
# jobs again when one is through, and leaves those out whose input, made again, is what it was: no zoo is trained again
# because a file was lost.
from zootwins.catalogue.exports import export_models, export_originals, export_shards, export_small_shards


rule fetch_zoo:
    """Put a zoo's archive in place, its checksum verified."""
    input:
        ask(FILES.archive),
    output:
        archive="results/zoos/{zoo}/raw.zip",
        source="results/zoos/{zoo}/source.json",
    log:
        "results/logs/fetch_zoo/{zoo}.log",
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=600,
    params:
        archive=zoo_value("archive"),
        epoch=ask(RUN.fetched_epoch),
        code=code_of("fetch_zoo"),
    script:
        "../workflow/scripts/fetch_zoo.py"


rule fetch_epoch:
    """Fetch the checkpoints of another epoch of a zoo's training, where only a part of its archive was fetched."""
    input:
        archive="results/zoos/{zoo}/raw.zip",
        source="results/zoos/{zoo}/source.json",
    output:
        "results/zoos/{zoo}/epoch-{epoch}.zip",
    log:
        "results/logs/fetch_epoch/{zoo}-{epoch}.log",
    wildcard_constraints:
        zoo=OWN_TWINS,
        epoch=r"\d+",
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=600,
    params:
        archive=zoo_value("archive"),
        code=code_of("fetch_epoch"),
    script:
        "../workflow/scripts/fetch_epoch.py"


checkpoint prepare_dataset:
    """Store the image data that a zoo was trained on: its own where it brings it along, else torchvision's."""
    input:
        raw_zoo=known_by_content(FILES.raw_zoo_with_dataset),
        data=ask(FILES.zoo_dataset_files),
    output:
        "results/zoos/{zoo}/dataset.safetensors",
    log:
        "results/logs/prepare_dataset/{zoo}.log",
    benchmark:
        "results/benchmarks/prepare_dataset/{zoo}.tsv"
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=60,
    params:
        dataset=ask(FILES.zoo_dataset_settings),
        dialect=ask(RUN.dialect_of_dataset),
        folder=ask(FILES.folder_state_of_dataset),
        code=code_of("prepare_dataset"),
    script:
        "../workflow/scripts/prepare_dataset.py"


rule train_zoo:
    """Train a shard of a zoo from its generating factors."""
    input:
        dataset="results/zoos/{zoo}/dataset.safetensors",
    output:
        "results/zoos/{zoo}/trained/{shard}.safetensors",
    log:
        "results/logs/train_zoo/{zoo}/{shard}.log",
    benchmark:
        "results/benchmarks/train_zoo/{zoo}/{shard}.tsv"
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
        settings=zoo_value("train"),
        engine=ENGINE,
        keep_states=RUN.config.keep_states,
        code=code_of("train_zoo"),
    script:
        "../workflow/scripts/train_zoo.py"


rule export_zoo:
    """Write a population (trained, originals, or the twins by a method) in the raw ModelZoo layout."""
    input:
        shards=ask(export_shards),
        originals=ask(export_originals),
        models=ask(export_models),
        dataset="results/zoos/{zoo}/dataset.safetensors",
    output:
        "results/exports/{zoo}/{population}.zip",
    log:
        "results/logs/export_zoo/{zoo}/{population}.log",
    benchmark:
        "results/benchmarks/export_zoo/{zoo}/{population}.tsv"
    wildcard_constraints:
        population="|".join(("trained", "originals", *METHODS)),
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=120,
    params:
        architecture=zoo_value("architecture"),
        architecture_code=architecture_code,
        train=zoo_value("train"),
        settings=ask(RUN.exported_settings),
        code=code_of("export_zoo", *(registry.module_of(method) for method in registry.REGISTRY)),
    script:
        "../workflow/scripts/export_zoo.py"


rule export_small_twins:
    """Write twins without the channels that pruning removed, at a point of the method, as a zoo of smaller networks."""
    input:
        shards=ask(export_small_shards),
        models="results/zoos/{zoo}/models.csv",
        dataset="results/zoos/{zoo}/dataset.safetensors",
    output:
        "results/exports/{zoo}/{method}-small-{point}.zip",
    log:
        "results/logs/export_small_twins/{zoo}/{method}-{point}.log",
    wildcard_constraints:
        point=r"\d+(\.\d+)?",
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=120,
    params:
        architecture=zoo_value("architecture"),
        architecture_code=architecture_code,
        settings=ask(RUN.method_settings),
        code=code_with("export_small_twins", module_of_method),
    script:
        "../workflow/scripts/export_small_twins.py"


checkpoint import_zoo:
    """Read a raw zoo into stacked tensors and a table, each model checked and evaluated again."""
    input:
        raw_zoo=known_by_content(FILES.raw_zoo),
        dataset="results/zoos/{zoo}/dataset.safetensors",
    output:
        originals="results/zoos/{zoo}/originals.safetensors",
        models="results/zoos/{zoo}/models.csv",
        checksum="results/zoos/{zoo}/models.csv.sha256",
        predictions="results/zoos/{zoo}/predictions.safetensors",
        history="results/zoos/{zoo}/history.parquet",
    log:
        "results/logs/import_zoo/{zoo}.log",
    benchmark:
        "results/benchmarks/import_zoo/{zoo}.tsv"
    wildcard_constraints:
        zoo=OWN_TWINS,
    conda:
        "../envs/zootwins.yaml"
    threads: 2
    resources:
        mem_mb=growing(4000),
        runtime=120,
        gpu=GPUS,
    params:
        architecture=zoo_value("architecture"),
        architecture_code=architecture_code,
        epoch=zoo_value("epoch"),
        models=ask(RUN.imported_models),
        sample=ask(RUN.sampled_models),
        dialect=zoo_value("dialect"),
        factors=zoo_value("factors"),
        folder=ask(FILES.folder_state),
        engine=ENGINE,
        code=code_of("import_zoo"),
    script:
        "../workflow/scripts/import_zoo.py"


checkpoint initial_weights:
    """The weights that a zoo's models began with: their checkpoints 0, or made again from their factors."""
    input:
        raw_zoo=known_by_content(FILES.raw_zoo_with_initial_weights),
        originals="results/zoos/{zoo}/originals.safetensors",
        models="results/zoos/{zoo}/models.csv",
    output:
        "results/zoos/{zoo}/initial.safetensors",
    log:
        "results/logs/initial_weights/{zoo}.log",
    benchmark:
        "results/benchmarks/initial_weights/{zoo}.tsv"
    wildcard_constraints:
        zoo=OWN_TWINS,
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=60,
    params:
        architecture=zoo_value("architecture"),
        architecture_code=architecture_code,
        dialect=zoo_value("dialect"),
        factors=zoo_value("factors"),
        folder=ask(FILES.folder_state_of_initial_weights),
        code=code_of("initial_weights"),
    script:
        "../workflow/scripts/initial_weights.py"


checkpoint earlier_weights:
    """The weights that a zoo's models had after an epoch of their training: their checkpoints of that epoch."""
    input:
        raw_zoo=known_by_content(FILES.raw_zoo_with_epoch),
        originals="results/zoos/{zoo}/originals.safetensors",
        models="results/zoos/{zoo}/models.csv",
    output:
        "results/zoos/{zoo}/epoch-{epoch}.safetensors",
    log:
        "results/logs/earlier_weights/{zoo}-{epoch}.log",
    wildcard_constraints:
        zoo=OWN_TWINS,
        epoch=r"[1-9]\d*",
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=60,
    params:
        architecture=zoo_value("architecture"),
        architecture_code=architecture_code,
        dialect=zoo_value("dialect"),
        factors=zoo_value("factors"),
        folder=ask(FILES.folder_state_of_epoch),
        code=code_of("earlier_weights"),
    script:
        "../workflow/scripts/earlier_weights.py"


checkpoint match_twins:
    """Find the original of each published twin: the twins' table, and their originals' weights and predictions."""
    input:
        unpack(ask(FILES.of_originals)),
        raw_zoo=known_by_content(FILES.raw_zoo),
    output:
        originals="results/zoos/{zoo}/originals.safetensors",
        models="results/zoos/{zoo}/models.csv",
        checksum="results/zoos/{zoo}/models.csv.sha256",
        predictions="results/zoos/{zoo}/predictions.safetensors",
        history="results/zoos/{zoo}/history.parquet",
    log:
        "results/logs/match_twins/{zoo}.log",
    benchmark:
        "results/benchmarks/match_twins/{zoo}.tsv"
    wildcard_constraints:
        zoo=PUBLISHED_TWINS,
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=60,
    params:
        architecture=zoo_value("architecture"),
        architecture_code=architecture_code,
        epochs=zoo_value("methods.vd.epochs"),
        models=ask(RUN.imported_models),
        folder=ask(FILES.folder_state),
        code=code_of("match_twins"),
    script:
        "../workflow/scripts/match_twins.py"
