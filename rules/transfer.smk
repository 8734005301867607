# Do sparse twins transfer? Tasks, linear and full transfer of a shard of models, and the long table of a zoo.
from zootwins.catalogue.experiments.transfer import MODES

TRANSFER = get_experiment("transfer")


wildcard_constraints:
    task=one_of(TRANSFER.task_names(RUN)),
    mode=one_of(MODES),


rule prepare_task:
    """Prepare the images of a task, in the shape and the normalisation that a zoo's networks read."""
    input:
        upstream="results/zoos/{zoo}/dataset.safetensors",
        zoo=ask(TRANSFER.zoo_file),
        data=ask(TRANSFER.dataset_files),
    output:
        "results/tasks/{zoo}/{task}.safetensors",
    log:
        "results/logs/prepare_task/{zoo}/{task}.log",
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=60,
    params:
        architecture=zoo_value("architecture"),
        architecture_code=architecture_code,
        dataset=ask(TRANSFER.dataset_settings),
        variant=ask(TRANSFER.variant),
        code=code_of("prepare_task"),
    script:
        "../workflow/scripts/prepare_task.py"


rule prune_at_random:
    """Make twins with as many weights of each layer pruned as by magnitude pruning, at random places."""
    input:
        mp="results/twins/{zoo}/mp/{shard}.safetensors",
        originals="results/zoos/{zoo}/originals.safetensors",
        models="results/zoos/{zoo}/models.csv",
        dataset="results/zoos/{zoo}/dataset.safetensors",
    output:
        "results/transfer/{zoo}/random/{shard}.safetensors",
    log:
        "results/logs/prune_at_random/{zoo}/{shard}.log",
    benchmark:
        "results/benchmarks/prune_at_random/{zoo}/{shard}.tsv"
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
        points=ask(TRANSFER.random_points),
        methods=ask(TRANSFER.read_settings),
        engine=ENGINE,
        code=code_with("prune_at_random", TRANSFER.read_modules),
    script:
        "../workflow/scripts/prune_at_random.py"


rule choose_transfer_lr:
    """Choose the learning rate of a zoo's transfer to a task: the best for some originals on validation images."""
    input:
        originals="results/zoos/{zoo}/originals.safetensors",
        models="results/zoos/{zoo}/models.csv",
        task="results/tasks/{zoo}/{task}.safetensors",
    output:
        csv="results/transfer/{zoo}/{task}/{mode}/lr.csv",
        checksum="results/transfer/{zoo}/{task}/{mode}/lr.csv.sha256",
    log:
        "results/logs/choose_transfer_lr/{zoo}/{task}/{mode}.log",
    benchmark:
        "results/benchmarks/choose_transfer_lr/{zoo}/{task}/{mode}.tsv"
    conda:
        "../envs/zootwins.yaml"
    threads: 1  # of few models: two such jobs, or linear transfer beside one, fill two cores
    resources:
        mem_mb=growing(4000),
        runtime=720,
        gpu=GPUS,
    params:
        architecture=zoo_value("architecture"),
        architecture_code=architecture_code,
        models=ask(RUN.models),
        pilots=RUN.config.transfer.lr_models,
        settings=ask(TRANSFER.training),
        engine=ENGINE,
        code=code_of("choose_transfer_lr"),
    script:
        "../workflow/scripts/choose_transfer_lr.py"


rule transfer_linear:
    """Train linear classifiers of a task on the activations of originals and twins.

    On a GPU the activations of the last hidden layer are extracted; those of others, and the classifiers, on the CPU.
    """
    input:
        unpack(ask(TRANSFER.shards)),
        originals="results/zoos/{zoo}/originals.safetensors",
        models="results/zoos/{zoo}/models.csv",
        task="results/tasks/{zoo}/{task}.safetensors",
        lrs="results/transfer/{zoo}/{task}/{mode}/lr.csv",
    output:
        "results/transfer/{zoo}/{task}/{mode}/{shard}.parquet",
    log:
        "results/logs/transfer_linear/{zoo}/{task}/{mode}/{shard}.log",
    benchmark:
        "results/benchmarks/transfer_linear/{zoo}/{task}/{mode}/{shard}.tsv"
    wildcard_constraints:
        mode="linear",
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(6000),
        runtime=720,
        gpu=GPUS,
    params:
        architecture=zoo_value("architecture"),
        architecture_code=architecture_code,
        candidates=ask(TRANSFER.candidates),
        methods=ask(TRANSFER.read_settings),
        settings=ask(TRANSFER.training),
        engine=ENGINE,
        code=code_with("transfer_linear", TRANSFER.read_modules),
    script:
        "../workflow/scripts/transfer_linear.py"


rule transfer_full:
    """Train originals and twins on a task, their masks fixed, under new heads."""
    input:
        unpack(ask(TRANSFER.shards)),
        originals="results/zoos/{zoo}/originals.safetensors",
        models="results/zoos/{zoo}/models.csv",
        task="results/tasks/{zoo}/{task}.safetensors",
        lrs="results/transfer/{zoo}/{task}/{mode}/lr.csv",
    output:
        rows="results/transfer/{zoo}/{task}/{mode}/{shard}.parquet",
        networks="results/transfer/{zoo}/{task}/{mode}/{shard}.safetensors",
    log:
        "results/logs/transfer_full/{zoo}/{task}/{mode}/{shard}.log",
    benchmark:
        "results/benchmarks/transfer_full/{zoo}/{task}/{mode}/{shard}.tsv"
    wildcard_constraints:
        mode="full",
    conda:
        "../envs/zootwins.yaml"
    threads: 2
    resources:
        mem_mb=growing(4000),
        runtime=720,
        gpu=GPUS,
    params:
        architecture=zoo_value("architecture"),
        architecture_code=architecture_code,
        candidates=ask(TRANSFER.candidates),
        methods=ask(TRANSFER.read_settings),
        settings=ask(TRANSFER.training),
        engine=ENGINE,
        code=code_with("transfer_full", TRANSFER.read_modules),
    script:
        "../workflow/scripts/transfer_full.py"


rule collect_transfer:
    """Collect the long table of a zoo's transfer, to all tasks in both modes."""
    input:
        ask(TRANSFER.rows),
    output:
        "results/metrics/{zoo}/transfer.parquet",
    log:
        "results/logs/collect_transfer/{zoo}.log",
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=30,
    params:
        code=code_of("collect_transfer"),
    script:
        "../workflow/scripts/collect_transfer.py"
