"""What kills, fills or damages a run costs time, never results: they end as those of a run that nothing happened to."""

import shutil
import subprocess
from pathlib import Path

import pandas as pd
import psutil
import pytest
from safetensors.torch import load_file

from damage import files_of, flip
from disturbance import (
    EPOCHS,
    LOG,
    RESUME,
    SHARD,
    TABLE,
    ZOO,
    assert_undisturbed,
    kill,
    resumed_after,
    training_jobs,
    wait_for,
    wait_for_state,
)
from projects import Project
from zootwins.population import native_engine

pytestmark = pytest.mark.faults


def test_a_killed_job_goes_on_from_its_last_saved_epoch(imported, undisturbed):
    with imported.start(TABLE) as snakemake:
        wait_for_state(imported)
        (job,) = training_jobs(imported)
        kill(job)
        snakemake.communicate()
    assert snakemake.returncode != 0
    assert not (imported.root / SHARD).exists()
    imported.run(TABLE)
    assert 1 <= resumed_after(imported) < EPOCHS
    assert_undisturbed(imported, undisturbed)


def test_a_killed_snakemake_is_unlocked_and_its_orphan_does_no_harm(imported, undisturbed):
    """The orphaned job goes on writing while the rerun trains the same shard."""
    with imported.start(TABLE) as snakemake:
        wait_for_state(imported)
        (orphan,) = training_jobs(imported)
        kill(snakemake)
    assert orphan.is_running()
    assert "--unlock" in imported.run(TABLE, succeeds=False)
    imported.run(TABLE, "--unlock")
    imported.run(TABLE)
    wait_for(lambda: not orphan.is_running(), "the end of the orphan")
    assert_undisturbed(imported, undisturbed)


def test_after_a_power_cut_the_same_command_ends_the_run(imported, undisturbed):
    with imported.start(TABLE) as snakemake:
        wait_for_state(imported)
        for process in [*psutil.Process(snakemake.pid).children(recursive=True), snakemake]:
            process.kill()
    imported.run(TABLE, "--unlock")
    imported.run(TABLE)
    assert_undisturbed(imported, undisturbed)


def test_a_second_run_in_the_same_folder_is_refused_and_does_no_harm(imported, undisturbed):
    with imported.start(TABLE) as first:
        wait_for_state(imported)
        assert "Directory cannot be locked" in imported.run(TABLE, succeeds=False)
        printed = first.communicate()[0]
    assert first.returncode == 0, printed
    assert_undisturbed(imported, undisturbed)


@pytest.fixture
def small_disk(imported):
    """Called with a folder, it becomes a disk, too small for a shard; called again with a size, one of that size."""
    mounted = []

    def mount(name: str, size: str = "256k") -> None:
        folder = imported.root / name
        folder.mkdir(parents=True, exist_ok=True)
        kind = ["-o", f"remount,size={size}"] if folder in mounted else ["-t", "tmpfs", "-o", f"size={size}", "none"]
        if subprocess.run(["mount", *kind, folder], capture_output=True).returncode:
            pytest.skip("mounting a small disk needs root")
        mounted.append(folder)

    yield mount
    for folder in dict.fromkeys(mounted):
        subprocess.run(["umount", folder], check=True)


def test_a_full_disk_ends_the_job_and_leaves_nothing_half_written(imported, undisturbed, small_disk):
    small_disk("results/twins")
    printed = imported.run(TABLE, succeeds=False)
    assert f"{SHARD}: the disk is full; make room there and run the same command again" in printed
    assert "Traceback" not in printed
    assert [path for path in (imported.root / "results/twins").rglob("*") if path.is_file()] == []
    assert (imported.root / RESUME).exists()
    small_disk("results/twins", "64m")
    imported.run(TABLE)
    assert resumed_after(imported) >= 1
    assert_undisturbed(imported, undisturbed)


def test_a_disk_without_room_to_resume_from_takes_that_chance_not_the_run(imported, undisturbed, small_disk):
    small_disk("results/resume", "64k")
    imported.run(TABLE)
    reported = [line for line in (imported.root / LOG).read_text(encoding="utf-8").splitlines() if "WARNING" in line]
    assert all("the run continues" in line and "the disk is full" in line for line in reported)
    assert reported
    assert_undisturbed(imported, undisturbed)


def truncate(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip_a_bit(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1 :]


@pytest.fixture
def done(undisturbed, tmp_path) -> Project:
    """A copy of a run that is through, for something to happen to its files."""
    return Project(shutil.copytree(undisturbed.root, tmp_path / "project", symlinks=True))


@pytest.mark.parametrize(
    ("file", "damage", "reader"),
    [
        (SHARD, truncate, "collect_metrics"),
        (f"results/metrics/{ZOO}/vd/layers.parquet", flip_a_bit, "make_table"),
        (f"results/zoos/{ZOO}/models.csv", flip_a_bit, "make_table"),
    ],
)
def test_a_damaged_file_is_named_not_averaged_in_and_made_again_by_the_command_that_is_named(
    done, undisturbed, file, damage, reader
):
    path, trained = done.root / file, (done.root / SHARD).stat().st_mtime_ns
    path.write_bytes(damage(path.read_bytes()))
    verified = done.run("verify", succeeds=False)
    report = pd.read_csv(done.root / "results/verification.csv").set_index("file")
    assert list(report.index[report.status == "damaged"]) == [file]
    for printed in (verified, done.run(TABLE, "--forcerun", reader, succeeds=False)):
        (line,) = {line.split("ERROR ")[1] for line in printed.splitlines() if f"ERROR {file}: " in line}
        assert "Traceback" not in printed
        assert f"make it again: snakemake --cores 4 --force {file} " in line
    done.run("--force", file)
    done.run(TABLE)
    assert_undisturbed(done, undisturbed)
    if file.endswith(".parquet"):  # a damaged models.csv is read by training, and trains again
        assert (done.root / SHARD).stat().st_mtime_ns == trained


@pytest.mark.parametrize("file", ["originals.safetensors", "dataset.safetensors"])
def test_what_training_starts_from_comes_back_without_training_again(done, undisturbed, file):
    lost, trained = done.root / f"results/zoos/{ZOO}" / file, (done.root / SHARD).stat().st_mtime_ns
    content = lost.read_bytes()
    lost.unlink()
    done.run(str(lost.relative_to(done.root)), TABLE)
    assert lost.read_bytes() == content
    assert (done.root / SHARD).stat().st_mtime_ns == trained
    assert_undisturbed(done, undisturbed)


@pytest.mark.parametrize(
    "kind", ["shard", "originals", "predictions", "dataset", "models.csv", "history", "long table"]
)
def test_no_flipped_bit_gives_other_data(done, kind):
    """A small share of the survey's (tests/faults/survey.py)."""
    outcomes = flip(files_of(done.root / "results", kind), kind, 20)
    assert outcomes.keys() <= {"reported", "harmless"}, outcomes
    assert outcomes["reported"] >= 15  # the others are in what only says where a file comes from


@pytest.mark.skipif(not native_engine.is_available(), reason="the native engine is not built")
class TestOtherInstructions:
    """A node with an older processor gets other kernels, and another order of rounding."""

    def trained(self, project: Project) -> tuple[dict, pd.DataFrame]:
        project.run(TABLE)
        return load_file(project.root / SHARD), pd.read_csv(project.root / TABLE)

    def assert_similar(self, project, undisturbed):
        """Rounding grows with training; the first epoch shows whether the computation is the same."""
        (tensors, table), (expected, expected_table) = self.trained(project), self.trained(undisturbed)
        for name in ("conv1.weight", "fc2.bias", "fc1.log_sigma2"):
            difference = (tensors[name][:, 1] - expected[name][:, 1]).abs().max()
            assert difference < 1e-3, name  # an epoch of 100s of steps of 1e-3; a wrong kernel is off by 1e-1
        assert list(table.zoo) == list(expected_table.zoo)

    def test_baseline_kernels(self, imported, undisturbed, monkeypatch):
        monkeypatch.setenv(native_engine.LEVEL_VARIABLE, "baseline")
        self.assert_similar(imported, undisturbed)

    def test_no_kernels_at_all(self, imported, undisturbed):
        (imported.root / "src/zootwins/population" / Path(native_engine._native.__file__).name).unlink()
        self.assert_similar(imported, undisturbed)

    def test_a_level_that_is_not_there_is_refused_in_one_line(self, imported, monkeypatch):
        monkeypatch.setenv(native_engine.LEVEL_VARIABLE, "avx1024")
        printed = imported.run(SHARD, succeeds=False)
        assert "ZOOTWINS_SIMD: 'avx1024' is not available here; choose from" in printed
        assert "Traceback" not in printed
