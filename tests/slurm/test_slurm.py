"""The workflow on a SLURM of one node that these tests start: the same tables, whatever happens to the jobs."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from disturbance import (
    EPOCHS,
    TABLE,
    assert_undisturbed,
    kill,
    resumed_after,
    training_jobs,
    wait_for,
    wait_for_state,
)
from projects import Project

pytestmark = pytest.mark.slurm

HERE = Path(__file__).parent
LATENCIES = ["latency", "small_latency"]
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol")
# Accounting and partitions are the site's; this one has no accounting, so that the queue shows the states of jobs.
SITE = (
    *(
        "--workflow-profile",
        "profiles/slurm",
        "--default-resources",
        "slurm_partition=main",
        "mem_mb=1000",
        "runtime=30",
    ),
    *("--slurm-no-account", "--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "5"),
    *("--latency-wait", "10"),
)


def belongs_to_a_slurm() -> bool:
    """Whether this machine has a SLURM that is not these tests', of which a killed run leaves the configuration."""
    configuration = Path("/etc/slurm/slurm.conf")
    left_over = configuration.is_symlink() and configuration.resolve().with_name("munge.key").exists()  # by start.sh
    answers = subprocess.run(["scontrol", "ping"], capture_output=True, timeout=60).returncode == 0
    return configuration.exists() and (answers or not left_over)


@pytest.fixture(scope="session", autouse=True)
def cluster(tmp_path_factory) -> Iterator[None]:
    """A SLURM of one node, for as long as these tests run."""
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="the extra `slurm` is not installed")
    if missing := [program for program in PROGRAMS if not shutil.which(program)]:
        pytest.skip(f"no SLURM here ({missing[0]} is missing): apt-get install slurmctld slurmd slurm-client munge")
    if os.geteuid() != 0:
        pytest.skip("starting a SLURM needs root")
    if belongs_to_a_slurm():
        pytest.skip("/etc/slurm/slurm.conf is there: this machine belongs to a SLURM already")
    base = tmp_path_factory.mktemp("slurm")
    base.chmod(0o755)
    environment = os.environ | {"BASE": str(base), "CPUS": "4"}
    started = subprocess.run(["bash", HERE / "start.sh"], env=environment, capture_output=True, text=True)
    try:
        assert started.returncode == 0, started.stderr
        yield
    finally:
        subprocess.run(["bash", HERE / "stop.sh"], env=environment, check=True)


def jobs() -> list[str]:
    """The ids of the jobs that SLURM has running."""
    return subprocess.check_output(["squeue", "-h", "-t", "running", "-o", "%i"], text=True).split()


def test_every_table_is_the_local_runs(project, tmp_path):
    """But for latencies: they are times that a machine takes."""
    project.configure(zoos=["fmnist_mini_random"])
    local = Project(shutil.copytree(project.root, tmp_path / "local"))
    local.run("tables")
    project.run("tables", *SITE)
    tables = sorted((local.root / "results/tables").glob("*.csv"))
    assert len(tables) >= 9
    for table in tables:
        actual, expected = (
            pd.read_csv(root / "results/tables" / table.name, dtype=str).drop(columns=LATENCIES, errors="ignore")
            for root in (project.root, local.root)
        )
        pd.testing.assert_frame_equal(actual, expected, obj=table.name)


def test_a_cancelled_job_is_submitted_again_and_goes_on(imported, undisturbed):
    with imported.start(TABLE, *SITE) as snakemake:
        wait_for_state(imported)
        (job,) = jobs()
        subprocess.run(["scancel", job], check=True)
        printed = snakemake.communicate()[0]
    assert snakemake.returncode == 0, printed
    assert "CANCELLED" in printed
    assert 1 <= resumed_after(imported) < EPOCHS
    assert_undisturbed(imported, undisturbed)


def test_a_job_over_its_time_limit_is_submitted_again_and_goes_on(imported, undisturbed):
    """SLURM's limits are whole minutes: a job that stands still after its first saved state runs into one of them."""
    with imported.start(TABLE, *SITE, "--set-resources", "variational_dropout:runtime=1") as snakemake:
        wait_for_state(imported)
        (job,) = training_jobs(imported)
        job.suspend()
        printed = snakemake.communicate()[0]
    assert snakemake.returncode == 0, printed
    assert "TIMEOUT" in printed
    assert 1 <= resumed_after(imported) < EPOCHS
    assert_undisturbed(imported, undisturbed)


def test_a_job_over_its_memory_gets_more(imported, undisturbed):
    """SLURM ends it at 100 MB, which Python with torch does not fit in; the next attempt has enough."""
    more = "variational_dropout:mem_mb=100 * 16 ** (attempt - 1)"
    printed = imported.run(TABLE, *SITE, "--set-resources", more)
    assert "Trying to restart job" in printed
    assert_undisturbed(imported, undisturbed)


def test_jobs_left_over_from_a_killed_snakemake_do_no_harm(imported, undisturbed):
    """They go on, and the rerun submits the same shard a second time."""
    with imported.start(TABLE, *SITE) as snakemake:
        wait_for_state(imported)
        kill(snakemake)
    left = jobs()
    assert left
    imported.run(TABLE, "--unlock")
    with imported.start(TABLE, *SITE) as rerun:
        wait_for(lambda: set(jobs()) - set(left), "the second submission")
        printed = rerun.communicate()[0]
    assert rerun.returncode == 0, printed
    wait_for(lambda: not training_jobs(imported), "the end of the first submission")
    assert_undisturbed(imported, undisturbed)
