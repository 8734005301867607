# From shards of twins to long tables: the last rule that reads weights.


rule collect_metrics:
    """Accuracy, sparsity and agreement of every twin of a zoo, as long tables."""
    input:
        shards=method_shards,
        predictions="results/zoos/{zoo}/predictions.safetensors",
    output:
        metrics="results/metrics/{zoo}/{method}.parquet",
        layers="results/metrics/{zoo}/{method}_layers.parquet",
        agreement="results/metrics/{zoo}/{method}_agreement.parquet",
    log:
        "results/logs/collect_metrics/{zoo}/{method}.log",
    benchmark:
        "results/benchmarks/collect_metrics/{zoo}/{method}.tsv"
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        architecture=lookup_architecture,
        models=run_models,
        code=sources("metrics", "agreement"),
    script:
        "../workflow/scripts/collect_metrics.py"
