"""What the tests of faults share: a run small enough to repeat, and the means to disturb it."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import torch
from safetensors.torch import load_file

from projects import Project

EPOCHS = 12  # long enough to be killed midway, some seconds
CONFIGURATION = {
    "zoos": ["fmnist_mini_seed"],
    "max_models": 2,
    "models_per_shard": 2,
    "magnitude_pruning": {"sparsities": [80], "epochs": 2},
    "variational_dropout": {"epochs": EPOCHS},
}
ZOO = "fmnist_mini_seed"
SHARD = f"results/twins/{ZOO}/vd/0000-0001.safetensors"
RESUME = f"results/resume/variational_dropout-{ZOO}-vd-0000-0001.safetensors"
LOG = f"results/logs/sparsify/{ZOO}/vd/0000-0001.log"
TABLE = "results/tables/table7.csv"  # VD's accuracies and sparsities over the zoo
PATIENCE = 120  # seconds, on a machine that is busy with other things


def wait_for(condition: Callable[[], object], what: str, seconds: float = PATIENCE):
    """Wait until a condition holds and return its value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds:.0f} s in vain: {what}")


def wait_for_state(project: Project) -> None:
    """Wait until the training job has saved a state."""
    wait_for((project.root / RESUME).exists, "a saved state")


def training_jobs(project: Project) -> list[psutil.Process]:
    """The processes that train in a project's folder, whoever started them."""
    found = []
    for process in psutil.process_iter():
        try:
            trains = process.cmdline()[-1].endswith(".sparsify.py")
            if trains and process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()) == project.root:
                found.append(process)
        except (psutil.Error, IndexError):
            continue
    return found


def kill(process: psutil.Process | subprocess.Popen) -> None:
    """End a process at once, as the kernel and cluster managers do."""
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def resumed_after(project: Project) -> int:
    """The epoch that the last training job went on from, by its log; 0 if it started anew."""
    lines = (project.root / LOG).read_text(encoding="utf-8").splitlines()
    epochs = [int(line.rsplit(" ", 1)[1]) for line in lines if "resuming after epoch" in line]
    return epochs[-1] if epochs else 0


def assert_undisturbed(project: Project, undisturbed: Project) -> None:
    """Final tensors and tables are those of a run that nothing happened to, bit for bit, and nothing is left over."""
    actual, expected = (load_file(each.root / SHARD) for each in (project, undisturbed))
    assert actual.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(actual[name].nan_to_num(), tensor.nan_to_num()), name
    assert (project.root / TABLE).read_text(encoding="utf-8") == (undisturbed.root / TABLE).read_text(encoding="utf-8")
    left = list((project.root / "results").rglob("*.tmp"))
    assert left == []
    assert not (project.root / RESUME).exists()
