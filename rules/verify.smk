# Whether what a run made is still as it was written.


from zootwins.run.provenance import tables_of_others


def warn_of_other_zoos():
    """Say on the terminal that the folder has tables of other zoos, which those of this run replace."""
    others = tables_of_others(sorted(Path("results/tables").glob("*.csv")), RUN.zoos)
    if others:
        path, zoos = next(iter(others.items()))
        stderr.write(
            f"results/tables: {len(others)} tables are of other zoos ({path}: {', '.join(zoos)}); those that this run "
            f"makes are of {', '.join(RUN.zoos)} and replace them; run in another folder (--directory) to keep both\n"
        )


onstart:
    warn_of_other_zoos()


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
        needed=made_files,
        possible=possible_files,
        zoos=RUN.zoos,
        report="results/verification.csv",
    script:
        "../workflow/scripts/verify.py"
