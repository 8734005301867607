# Whether what a run made is still as it was written.


onstart:
    warn_of_other_zoos()
    warn_of_deprecated_keys()


rule verify:
    """Read all files again that a run made, and report those that are missing or not as they were written.

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
