# From dense models to their sparsified twins, a shard of models a job.


rule sparsify:
    """Sparsify a shard of models. Each method inherits this rule under a name of its own, which profiles know it by."""
    input:
        unpack(needed_by_method),
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
        method=one_of([]),
    conda:
        "../envs/zootwins.yaml"
    threads: 2
    resources:
        mem_mb=growing(3000),
        runtime=720,
        gpu=GPUS,
    params:
        architecture=lookup_architecture,
        architecture_code=architecture_code,
        settings=method_settings,
        engine=ENGINE,
        keep_states=RUN.config.keep_states,
        code=method_code("sparsify"),
    script:
        "../workflow/scripts/sparsify.py"


use rule sparsify as magnitude_pruning with:
    wildcard_constraints:
        method="mp",


use rule sparsify as variational_dropout with:
    wildcard_constraints:
        method="vd",
        zoo=OWN_TWINS,


use rule sparsify as gradual_pruning with:
    wildcard_constraints:
        method="gmp",


use rule sparsify as random_pruning with:
    wildcard_constraints:
        method="rp",


use rule sparsify as l0_regularization with:
    wildcard_constraints:
        method="l0",


use rule sparsify as variational_sweep with:
    wildcard_constraints:
        method="vds",


use rule sparsify as gale_variational_dropout with:
    wildcard_constraints:
        method="vdg",


use rule sparsify as variational_thresholds with:
    wildcard_constraints:
        method="vdt",


use rule sparsify as scratch with:
    wildcard_constraints:
        method="scratch",


use rule sparsify as lottery_ticket with:
    wildcard_constraints:
        method="lottery",


use rule sparsify as shuffled_mask with:
    wildcard_constraints:
        method="shuffled",


use rule sparsify as n_of_m with:
    wildcard_constraints:
        method="nm",


use rule sparsify as acdc with:
    wildcard_constraints:
        method="acdc",


use rule sparsify as iterative_pruning with:
    wildcard_constraints:
        method="imp",


use rule sparsify as rigl with:
    wildcard_constraints:
        method="rigl",


use rule sparsify as sparse_evolution with:
    wildcard_constraints:
        method="set",


use rule sparsify as snip with:
    wildcard_constraints:
        method="snip",


use rule sparsify as grasp with:
    wildcard_constraints:
        method="grasp",


use rule sparsify as synflow with:
    wildcard_constraints:
        method="synflow",


use rule sparsify as taylor_pruning with:
    wildcard_constraints:
        method="taylor",


use rule sparsify as wanda with:
    wildcard_constraints:
        method="wanda",


use rule sparsify as obc with:
    wildcard_constraints:
        method="obc",


use rule sparsify as woodfisher with:
    wildcard_constraints:
        method="woodfisher",


use rule sparsify as feedback_pruning with:
    wildcard_constraints:
        method="dpf",


use rule sparsify as soft_threshold with:
    wildcard_constraints:
        method="str",


use rule sparsify as channel_pruning with:
    wildcard_constraints:
        method="channels",


rule import_twins:
    """Read a shard of published variational twins and evaluate them again, at every epoch."""
    input:
        raw_zoo=raw_zoo,
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
        architecture=lookup_architecture,
        architecture_code=architecture_code,
        settings=imported_settings,
        folder=folder_state,
        engine=ENGINE,
        keep_states=RUN.config.keep_states,
        code=code_of("import_twins"),
    script:
        "../workflow/scripts/import_twins.py"


rule cut_model:
    """One model's twins, cut from their shard; the model by its name or its index."""
    input:
        shards=shards_of_model,
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
