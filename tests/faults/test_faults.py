"""What kills, fills or damages a run costs time, never results: they end as those of a run that nothing happened to."""

import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from safetensors.torch import load_file

from disturbance import (
    EPOCHS,
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


def test_a_second_run_in_the_same_folder_is_refused_and_does_no_harm(imported, undisturbed):
    with imported.start(TABLE) as first:
        wait_for_state(imported)
        assert "Directory cannot be locked" in imported.run(TABLE, succeeds=False)
        printed = first.communicate()[0]
    assert first.returncode == 0, printed
    assert_undisturbed(imported, undisturbed)


@pytest.fixture
def small_disk(imported):
    """The folder of the shard on a disk smaller than it; called with a size, it makes the disk larger."""
    folder = (imported.root / SHARD).parent
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o"]
    if subprocess.run([*mount, "size=256k", "none", folder], capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    yield lambda size: subprocess.run(["mount", "-o", f"remount,size={size}", folder], check=True)
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_ends_the_job_and_leaves_nothing_half_written(imported, undisturbed, small_disk):
    printed = imported.run(TABLE, succeeds=False)
    assert "No space left on device" in printed
    assert list((imported.root / SHARD).parent.iterdir()) == []
    assert (imported.root / RESUME).exists()
    small_disk("64m")
    imported.run(TABLE)
    assert resumed_after(imported) >= 1
    assert_undisturbed(imported, undisturbed)


def truncate(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip_a_bit(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1 :]


@pytest.mark.parametrize("damage", [truncate, flip_a_bit])
def test_a_damaged_shard_is_named_not_averaged_in_and_rebuilt_on_request(undisturbed, tmp_path, damage):
    project = Project(shutil.copytree(undisturbed.root, tmp_path / "project", symlinks=True))
    shard = project.root / SHARD
    shard.write_bytes(damage(shard.read_bytes()))
    assert f"{SHARD}: " in project.run("verify", succeeds=False)
    report = pd.read_csv(project.root / "results/verification.csv").set_index("file")
    assert list(report.index[report.status == "damaged"]) == [SHARD]
    metrics = f"results/metrics/{ZOO}/vd.parquet"
    printed = project.run(metrics, "--forcerun", "collect_metrics", succeeds=False)
    assert f"{SHARD}: " in printed
    assert "delete it, and the next run rebuilds it" in printed
    assert not (project.root / metrics).exists()
    shard.unlink()
    project.run(SHARD, TABLE)
    project.run("verify")
    assert_undisturbed(project, undisturbed)


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
