# A population as others load it: weights, index, data card, Croissant.


rule publish:
    """Publish the originals of a zoo and their twins by all of its methods."""
    input:
        unpack(ask(FILES.twins_by_method)),
        scores=ask(FILES.scores),
        originals="results/zoos/{zoo}/originals.safetensors",
        models="results/zoos/{zoo}/models.csv",
    output:
        directory("results/published/{zoo}"),
    log:
        "results/logs/publish/{zoo}.log",
    benchmark:
        "results/benchmarks/publish/{zoo}.tsv"
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=120,
    params:
        about=ask(RUN.publication),
        zoo=ask(RUN.analysed),
        code=code_of("publish", *METHOD_MODULES),
    script:
        "../workflow/scripts/publish.py"


rule score_benchmark:
    """Score the benchmark's baselines on a published zoo, on several splits."""
    input:
        "results/published/{zoo}",
    output:
        "results/metrics/{zoo}/benchmark.parquet",
    log:
        "results/logs/score_benchmark/{zoo}.log",
    benchmark:
        "results/benchmarks/score_benchmark/{zoo}.tsv"
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=240,
    params:
        code=code_of("score_benchmark"),
    script:
        "../workflow/scripts/score_benchmark.py"
