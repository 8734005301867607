# Hyper-representations of VD twins: auto-encoders over their weights, and what these are worth.


rule train_representation:
    """An auto-encoder over the weights of a zoo's VD twins."""
    input:
        shards=vd_shards,
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
        architecture=lookup_architecture,
        architecture_code=architecture_code,
        settings=representation_settings,
        threshold=variational_threshold,
        device=RUN.config.device,
        code=code_of("train_representation"),
    script:
        "../workflow/scripts/train_representation.py"


rule evaluate_representation:
    """Reconstruction, linear probes and latent space of the models that were kept from training."""
    input:
        model="results/representations/{zoo}/{seed}.safetensors",
        shards=vd_shards,
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
        architecture=lookup_architecture,
        architecture_code=architecture_code,
        device=RUN.config.device,
        code=code_of("evaluate_representation"),
    script:
        "../workflow/scripts/evaluate_representation.py"


rule sparsify_zero_shot:
    """Twins of unseen models, of the zoo and of others, told from what was learned, beside trained and pruned ones."""
    input:
        unpack(zero_shot_targets),
        model="results/representations/{zoo}/{seed}.safetensors",
        shards=vd_shards,
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
        architecture=lookup_architecture,
        architecture_code=architecture_code,
        targets=lookup_targets,
        engine=ENGINE,
        code=code_of("sparsify_zero_shot"),
    script:
        "../workflow/scripts/sparsify_zero_shot.py"


rule make_representation_table:
    """The paper's Table 3, or zero-shot twins beside trained ones."""
    input:
        results=representation_table_sources,
        paper=printed_table,
    output:
        csv="results/tables/{table}.csv",
        checksum="results/tables/{table}.csv.sha256",
        md="results/tables/{table}.md",
        tex="results/tables/{table}.tex",
        html=report(
            "results/tables/{table}.html",
            caption="../workflow/report/table.rst",
            category="Tables",
            labels=report_labels,
        ),
    log:
        "results/logs/make_representation_table/{table}.log",
    wildcard_constraints:
        table="|".join(RULE_TABLES["make_representation_table"]),
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=30,
    params:
        titles=REPRESENTATION_TITLES,
        counterparts=REPRESENTATION_COUNTERPARTS,
        code=representation_table_code,
    script:
        "../workflow/scripts/make_representation_table.py"


rule make_representation_figure:
    """A figure of hyper-representations as PDF, SVG and PNG."""
    input:
        representation_figure_sources,
    output:
        multiext("results/figures/{figure}", ".pdf", ".png"),
        report(
            "results/figures/{figure}.svg",
            caption="../workflow/report/figure.rst",
            category="Figures",
            labels=report_labels,
        ),
    log:
        "results/logs/make_representation_figure/{figure}.log",
    wildcard_constraints:
        figure="|".join(REPRESENTATION_FIGURES),
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=30,
    params:
        titles=REPRESENTATION_TITLES,
        code=code_of("make_representation_figure"),
    script:
        "../workflow/scripts/make_representation_figure.py"
