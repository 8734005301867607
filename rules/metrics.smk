# From shards of twins to long tables: the last rules that read weights and predictions.
from zootwins.catalogue.experiments.paper import PRINTED


rule collect_metrics:
    """Collect accuracy, sparsity and agreement of every twin of a zoo as long tables."""
    input:
        shards=ask(FILES.twins),
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
        architecture=zoo_value("architecture"),
        architecture_code=architecture_code,
        models=ask(RUN.models),
        settings=ask(RUN.method_settings),
        code=code_with("collect_metrics", module_of_method),
    script:
        "../workflow/scripts/collect_metrics.py"


rule collect_rank_changes:
    """Compute how each model's rank in its zoo changes from original to twin, with intervals over the test images."""
    input:
        shards=ask(FILES.twins),
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
        zoo=ask(RUN.analysed),
        code=code_with("collect_rank_changes", module_of_method),
    script:
        "../workflow/scripts/collect_rank_changes.py"


rule collect_weight_statistics:
    """Compute mean, variance and percentiles of each layer of a zoo's dense models."""
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


rule measure_sizes:
    """Measure bytes and latency of a zoo's twins, at full size and without the channels that are pruned."""
    input:
        unpack(ask(FILES.first_twins)),
        small=ask(FILES.small_twins),
        models="results/zoos/{zoo}/models.csv",
        dataset="results/zoos/{zoo}/dataset.safetensors",
    output:
        "results/metrics/{zoo}/sizes.parquet",
    log:
        "results/logs/measure_sizes/{zoo}.log",
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=30,
    params:
        zoo=ask(RUN.analysed),
        architecture=zoo_value("architecture"),
        architecture_code=architecture_code,
        code=code_of("measure_sizes", *METHOD_MODULES),
    script:
        "../workflow/scripts/measure_sizes.py"


rule collect_prune_shares:
    """Compute the share of a zoo's models in which variational dropout prunes each weight."""
    input:
        ask(FILES.vd_twins),
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
        threshold=zoo_value("methods.vd.threshold"),
        architecture=zoo_value("architecture"),
        architecture_code=architecture_code,
        code=code_of("collect_prune_shares"),
    script:
        "../workflow/scripts/collect_prune_shares.py"


rule collect_hypotheses:
    """Compute hypotheses on the paper's unexplained numbers on a zoo's twins, beside the paper's numbers."""
    input:
        shards=ask(FILES.paper_twins),
        metrics=ask(FILES.paper_metrics),
        originals="results/zoos/{zoo}/originals.safetensors",
        models="results/zoos/{zoo}/models.csv",
        predictions="results/zoos/{zoo}/predictions.safetensors",
        dataset="results/zoos/{zoo}/dataset.safetensors",
        paper=FILES.paper(PRINTED),
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
        zoo=ask(RUN.analysed),
        architecture=zoo_value("architecture"),
        architecture_code=architecture_code,
        paper_zoo=ask(FILES.counterpart),
        paper_models=ask(FILES.counterpart_models),
        code=code_of("collect_hypotheses", *METHOD_MODULES),
    script:
        "../workflow/scripts/collect_hypotheses.py"


rule collect_mask_overlap:
    """Compute the overlap of the masks of pairs of methods, model by model, at the same sparsity."""
    input:
        unpack(ask(FILES.twins_by_method)),
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
        zoo=ask(RUN.analysed),
        code=code_of("collect_mask_overlap", *METHOD_MODULES),
    script:
        "../workflow/scripts/collect_mask_overlap.py"
