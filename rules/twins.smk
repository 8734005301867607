# From dense models to their sparsified twins, a shard of models a job.


# One rule of each method, which profiles know by the name of the method's section.
for sparsifier in registry.sparsifiers():

    rule:
        """Sparsify a shard of models."""
        name:
            sparsifier.section
        input:
            unpack(ask(FILES.needed_by_twins)),
            originals="results/zoos/{zoo}/originals.safetensors",
            models="results/zoos/{zoo}/models.csv",
            dataset="results/zoos/{zoo}/dataset.safetensors",
        output:
            "results/twins/{zoo}/{method}/{shard}.safetensors",
        log:
            "results/logs/sparsify/{zoo}/{method}/{shard}.log",
        benchmark:
            "results/benchmarks/sparsify/{zoo}/{method}/{shard}.tsv"
        wildcard_constraints:
            method=one_of(RUN.names_of(sparsifier)),
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
            settings=ask(RUN.method_settings),
            engine=ENGINE,
            keep_states=RUN.config.keep_states,
            code=code_with("sparsify", module_of_method),
        script:
            "../workflow/scripts/sparsify.py"


ruleorder: import_twins > variational_dropout


rule import_twins:
    """Read a shard of published variational twins and evaluate them again, at every epoch."""
    input:
        raw_zoo=known_by_content(FILES.raw_zoo),
        originals="results/zoos/{zoo}/originals.safetensors",
        models="results/zoos/{zoo}/models.csv",
        dataset="results/zoos/{zoo}/dataset.safetensors",
    output:
        "results/twins/{zoo}/vd/{shard}.safetensors",
    log:
        "results/logs/import_twins/{zoo}/{shard}.log",
    benchmark:
        "results/benchmarks/import_twins/{zoo}/{shard}.tsv"
    wildcard_constraints:
        zoo=PUBLISHED_TWINS,
    conda:
        "../envs/zootwins.yaml"
    threads: 2
    resources:
        mem_mb=growing(2000),
        runtime=120,
        gpu=GPUS,
    params:
        architecture=zoo_value("architecture"),
        architecture_code=architecture_code,
        settings=zoo_value("methods.vd"),
        folder=ask(FILES.folder_state),
        engine=ENGINE,
        keep_states=RUN.config.keep_states,
        code=code_of("import_twins"),
    script:
        "../workflow/scripts/import_twins.py"


rule shrink_twins:
    """Write twins without the channels that pruning removed: smaller networks, after the last epoch."""
    input:
        "results/twins/{zoo}/{method}/{shard}.safetensors",
    output:
        "results/small/{zoo}/{method}/{shard}.safetensors",
    log:
        "results/logs/shrink_twins/{zoo}/{method}/{shard}.log",
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=30,
    params:
        architecture=zoo_value("architecture"),
        architecture_code=architecture_code,
        settings=ask(RUN.method_settings),
        code=code_with("shrink_twins", module_of_method),
    script:
        "../workflow/scripts/shrink_twins.py"


rule cut_model:
    """Cut one model's twins from their shard; the model by its name or its index."""
    input:
        shards=ask(FILES.shard_of_model),
        models="results/zoos/{zoo}/models.csv",
    output:
        "results/models/{zoo}/{method}/{model}.safetensors",
    log:
        "results/logs/cut_model/{zoo}/{method}/{model}.log",
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=10,
    params:
        code=code_of("cut_model"),
    script:
        "../workflow/scripts/cut_model.py"
