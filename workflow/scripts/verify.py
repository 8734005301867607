"""Read all files of tensors again and report those that are not as they were written."""

from zootwins.run.errors import InputError
from zootwins.run.job import job, log
from zootwins.storage.frames import write_csv
from zootwins.storage.verification import verify

with job(snakemake):
    report = verify(snakemake.params.files)
    write_csv(report, snakemake.params.report)
    log.info("%s: %s", snakemake.params.report, dict(report.status.value_counts()))
    damaged = report[report.status == "damaged"]
    for problem in damaged.problem:
        log.error("%s", problem)
    if not damaged.empty:
        raise InputError(f"{snakemake.params.report}: {len(damaged)} of {len(report)} files are damaged, those above")
