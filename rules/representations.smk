# Hyper-representations of VD twins: auto-encoders over their weights, and what these are worth.

REPRESENTATIONS = get_experiment("representations")


rule train_representation:
    """Train an auto-encoder over the weights of a zoo's VD twins."""
    input:
        shards=ask(FILES.vd_twins),
        models="results/zoos/{zoo}/models.csv",
    output:
        model="results/representations/{zoo}/{seed}.safetensors",
        history="results/representations/{zoo}/{seed}_history.csv",
        checksum="results/representations/{zoo}/{seed}_history.csv.sha256",
    log:
        "results/logs/train_representation/{zoo}/{seed}.log",
    benchmark:
        "results/benchmarks/train_representation/{zoo}/{seed}.tsv"
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=1440,
        gpu=GPUS,
    params:
        architecture=zoo_value("architecture"),
        architecture_code=architecture_code,
        settings=ask(REPRESENTATIONS.training_settings),
        threshold=zoo_value("methods.vd.threshold"),
        device=RUN.config.device,
        code=code_of("train_representation"),
    script:
        "../workflow/scripts/train_representation.py"


rule evaluate_representation:
    """Evaluate reconstruction, linear probes and latent space of the models that were kept from training."""
    input:
        model="results/representations/{zoo}/{seed}.safetensors",
        shards=ask(FILES.vd_twins),
    output:
        scores="results/representations/{zoo}/{seed}_scores.parquet",
        sizes="results/representations/{zoo}/{seed}_sizes.parquet",
        states="results/representations/{zoo}/{seed}_states.parquet",
    log:
        "results/logs/evaluate_representation/{zoo}/{seed}.log",
    benchmark:
        "results/benchmarks/evaluate_representation/{zoo}/{seed}.tsv"
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=120,
        gpu=GPUS,
    params:
        architecture=zoo_value("architecture"),
        architecture_code=architecture_code,
        device=RUN.config.device,
        code=code_of("evaluate_representation"),
    script:
        "../workflow/scripts/evaluate_representation.py"


rule sparsify_zero_shot:
    """Predict twins of unseen models, of the zoo and of others, and evaluate them beside trained and pruned ones."""
    input:
        unpack(ask(REPRESENTATIONS.target_files)),
        model="results/representations/{zoo}/{seed}.safetensors",
        shards=ask(FILES.vd_twins),
    output:
        decisions="results/representations/{zoo}/{seed}_decisions.parquet",
        twins="results/representations/{zoo}/{seed}_zero_shot.parquet",
    log:
        "results/logs/sparsify_zero_shot/{zoo}/{seed}.log",
    benchmark:
        "results/benchmarks/sparsify_zero_shot/{zoo}/{seed}.tsv"
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(8000),
        runtime=1440,
        gpu=GPUS,
    params:
        architecture=zoo_value("architecture"),
        architecture_code=architecture_code,
        targets=ask(REPRESENTATIONS.targets),
        engine=ENGINE,
        code=code_of("sparsify_zero_shot"),
    script:
        "../workflow/scripts/sparsify_zero_shot.py"
