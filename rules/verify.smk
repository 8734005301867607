# Verification that what a run made is intact.


onstart:
    warn_of_other_zoos()
    warn_of_deprecated_keys()


rule verify:
    """Read all files that a run made again, and report those that are missing or damaged.

    The report is no output: Snakemake would delete it where the job fails, which is where it is wanted.
    """
    input:
        [],
    log:
        "results/logs/verify.log",
    conda:
        "../envs/zootwins.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=240,
    params:
        needed=ask(FILES.needed),
        possible=ask(FILES.possible),
        zoos=RUN.zoos,
        report="results/verification.csv",
    script:
        "../workflow/scripts/verify.py"
