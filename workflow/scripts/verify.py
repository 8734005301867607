"""Read all files of a run again and report those that are missing or not as they were written."""

from pathlib import Path

from zootwins.run.errors import InputError
from zootwins.run.job import job, log
from zootwins.storage.files import replacing
from zootwins.storage.verification import OTHERS, verify

WRONG = ("damaged", "missing", OTHERS)
SHOWN = 20  # of the wrong files; all are in the report

with job(snakemake):
    path = snakemake.params.report
    cut = [str(model) for model in sorted(Path("results/models").glob("*/*/*.safetensors"))]  # made on request
    initial = {str(path) for path in Path("results/zoos").glob("*/initial.safetensors")}  # transfer asks for it too
    exported = [str(archive) for archive in sorted(Path("results/exports").glob("*/*.zip"))]
    transferred = {
        suffix: [str(file) for file in sorted(Path("results").glob(f"transfer/**/*.{suffix}"))]
        for suffix in ("safetensors", "parquet", "csv")
    }
    tables = [str(table) for table in sorted(Path("results/metrics").glob("*/transfer.parquet"))]
    possible = snakemake.params.possible
    asked_for = {
        **possible,
        "shard": possible["shard"] + cut + transferred["safetensors"],
        "initial": sorted(initial - {*snakemake.params.needed["initial"]}),
        "export": exported,
        "dataset": [str(task) for task in sorted(Path("results/tasks").glob("*/*.safetensors"))],
        "transfer": transferred["parquet"] + transferred["csv"] + tables,
    }
    report = verify(snakemake.params.needed, asked_for, snakemake.params.zoos)
    with replacing(path) as temporary:
        report.to_csv(temporary, index=False)
    counts = {status: int(number) for status, number in report.status.value_counts().items()}
    log.info("%s: %s", path, ", ".join(f"{number} {status}" for status, number in counts.items()))
    wrong = report[report.status.isin(WRONG)]
    for problem in wrong.problem[:SHOWN]:
        log.error("%s", problem)
    if not wrong.empty:
        found = " and ".join(f"{counts[status]} {status}" for status in WRONG if status in counts)
        raise InputError(f"{path}: lists {found} of {len(report)} files, and for each what to do")
