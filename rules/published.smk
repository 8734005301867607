# A population as others load it: weights, index, data card, Croissant.


def publication(wildcards):
    """What a release says of its zoo."""
    zoo = zoo_of(wildcards)
    about = {name: getattr(zoo, name) for name in ("title", "dataset", "architecture")}
    return {"zoo": zoo.id, **about, **zoo.publication}


def published_scores(wildcards):
    return [f"results/metrics/{wildcards.zoo}/{method}/scores.parquet" for method in zoo_of(wildcards).methods]


rule publish:
    """Publish the originals of a zoo and their twins by all of its methods."""
    input:
        unpack(shards_by_method),
        scores=published_scores,
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
        about=publication,
        zoo=lookup_analysis,
        code=code_of("publish", *METHOD_MODULES),
    script:
        "../workflow/scripts/publish.py"
