"""Read all files of a run again and report those that are missing or not as they were written."""

from zootwins.run.job import job, log
from zootwins.storage.files import replacing
from zootwins.storage.verification import counted, problems, refuse_wrong, verify

SHOWN = 20  # of the wrong files; all are in the report

with job(snakemake):
    path = snakemake.params.report
    report = verify(snakemake.params.needed, snakemake.params.possible, snakemake.params.zoos)
    with replacing(path) as temporary:
        report.to_csv(temporary, index=False)
    log.info("%s: %s", path, counted(report))
    for problem in problems(report)[:SHOWN]:
        log.error("%s", problem)
    refuse_wrong(report, path)
