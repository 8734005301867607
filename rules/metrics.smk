# From shards of twins to long tables: the last rules that read weights and predictions.


rule collect_metrics:
    """Accuracy, sparsity and agreement of every twin of a zoo, as long tables."""
    input:
        shards=method_shards,
        predictions="results/zoos/{zoo}/predictions.safetensors",
    output:
        scores="results/metrics/{zoo}/{method}/scores.parquet",
        layers="results/metrics/{zoo}/{method}/layers.parquet",
        agreement="results/metrics/{zoo}/{method}/agreement.parquet",
    log:
        "results/logs/collect_metrics/{zoo}/{method}.log",
    benchmark:
        "results/benchmarks/collect_metrics/{zoo}/{method}.tsv"
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=60,
    params:
        architecture=lookup_architecture,
        architecture_code=architecture_code,
        models=run_models,
        settings=method_settings,
        code=method_code("collect_metrics"),
    script:
        "../workflow/scripts/collect_metrics.py"


rule collect_rank_changes:
    """How each model's rank in its zoo changes from original to twin, with intervals over the test images."""
    input:
        shards=method_shards,
        predictions="results/zoos/{zoo}/predictions.safetensors",
        dataset="results/zoos/{zoo}/dataset.safetensors",
    output:
        "results/metrics/{zoo}/{method}/response.parquet",
    log:
        "results/logs/collect_rank_changes/{zoo}/{method}.log",
    benchmark:
        "results/benchmarks/collect_rank_changes/{zoo}/{method}.tsv"
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=60,
    params:
        zoo=lookup_analysis,
        code=method_code("collect_rank_changes"),
    script:
        "../workflow/scripts/collect_rank_changes.py"


rule collect_weight_statistics:
    """Mean, variance and percentiles of each layer of a zoo's dense models."""
    input:
        "results/zoos/{zoo}/originals.safetensors",
    output:
        "results/metrics/{zoo}/weight_statistics.parquet",
    log:
        "results/logs/collect_weight_statistics/{zoo}.log",
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=30,
    params:
        code=code_of("collect_weight_statistics"),
    script:
        "../workflow/scripts/collect_weight_statistics.py"


rule collect_prune_shares:
    """For every weight, the share of a zoo's models in which variational dropout prunes it."""
    input:
        vd_shards,
    output:
        "results/metrics/{zoo}/vd/prune_shares.parquet",
    log:
        "results/logs/collect_prune_shares/{zoo}.log",
    benchmark:
        "results/benchmarks/collect_prune_shares/{zoo}.tsv"
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=120,
    params:
        threshold=variational_threshold,
        code=code_of("collect_prune_shares"),
    script:
        "../workflow/scripts/collect_prune_shares.py"


rule collect_hypotheses:
    """What the paper's unexplained numbers may be, each on a zoo's twins, beside the paper's numbers."""
    input:
        shards=paper_shards,
        metrics=hypothesis_sources,
        originals="results/zoos/{zoo}/originals.safetensors",
        models="results/zoos/{zoo}/models.csv",
        predictions="results/zoos/{zoo}/predictions.safetensors",
        dataset="results/zoos/{zoo}/dataset.safetensors",
        paper=[from_root(f"resources/paper/{table}.csv") for table in PAPER_TABLES],
    output:
        "results/metrics/{zoo}/hypotheses.parquet",
    log:
        "results/logs/collect_hypotheses/{zoo}.log",
    benchmark:
        "results/benchmarks/collect_hypotheses/{zoo}.tsv"
    wildcard_constraints:
        zoo=one_of(COUNTERPARTS),
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=720,
    params:
        zoo=lookup_analysis,
        architecture=lookup_architecture,
        architecture_code=architecture_code,
        paper_zoo=lookup_counterpart,
        paper_models=lookup_paper_models,
        code=code_of("collect_hypotheses", *METHOD_MODULES),
    script:
        "../workflow/scripts/collect_hypotheses.py"


rule collect_mask_overlap:
    """How much the masks of every two methods of a zoo overlap, model by model, at the same sparsity."""
    input:
        unpack(shards_by_method),
    output:
        "results/metrics/{zoo}/mask_overlap.parquet",
    log:
        "results/logs/collect_mask_overlap/{zoo}.log",
    benchmark:
        "results/benchmarks/collect_mask_overlap/{zoo}.tsv"
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=120,
    params:
        zoo=lookup_analysis,
        code=code_of("collect_mask_overlap", *METHOD_MODULES),
    script:
        "../workflow/scripts/collect_mask_overlap.py"
