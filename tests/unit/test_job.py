"""The frame of a script: its log, errors of one line, resumption, progress."""

import logging
import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from zootwins.run import job as job_module
from zootwins.run.errors import InputError
from zootwins.run.job import announce, job, progress, resume_file


class Named(list):
    """A list with names, as snakemake's wildcards and parameters are."""

    def __init__(self, **entries):
        super().__init__(entries.values())
        self.entries = entries

    def items(self):
        return self.entries.items()


@pytest.fixture
def snakemake(tmp_path):
    source = tmp_path / "input.csv"
    source.write_text("model\n", encoding="utf-8")
    return SimpleNamespace(
        rule="magnitude_pruning",
        log=[str(tmp_path / "job.log")],
        wildcards=Named(zoo="mini", shard="0000-0015"),
        params=Named(settings={"epochs": 15}),
        input=[str(source)],
        threads=1,
    )


@pytest.fixture(autouse=True)
def _quiet():
    yield
    logging.basicConfig(handlers=[logging.NullHandler()], force=True)
    logging.captureWarnings(capture=False)


def test_an_input_from_the_future_is_refused_before_any_work(snakemake):
    """Snakemake would do the job and then delete its outputs, which are older than the input."""
    ahead = time.time() + 3600
    os.utime(snakemake.input[0], (ahead, ahead))
    with pytest.raises(SystemExit), job(snakemake):
        pytest.fail("the job was started")
    (line,) = Path(snakemake.log[0]).read_text(encoding="utf-8").splitlines()
    assert "input.csv: is dated" in line
    assert "ahead of this machine's clock" in line
    os.utime(snakemake.input[0])
    with job(snakemake):
        pass


def test_what_the_user_did_wrong_is_one_line_and_a_failure(snakemake):
    with pytest.raises(SystemExit) as stopped, job(snakemake):
        raise InputError("models.csv: has no rows; import the zoo again")
    assert stopped.value.code == 1
    (line,) = Path(snakemake.log[0]).read_text(encoding="utf-8").splitlines()
    assert line.endswith("ERROR models.csv: has no rows; import the zoo again")


def test_a_defect_keeps_its_traceback(snakemake):
    with pytest.raises(ZeroDivisionError), job(snakemake):
        raise ZeroDivisionError("never")
    assert "Traceback" in Path(snakemake.log[0]).read_text(encoding="utf-8")


def test_an_announcement_is_on_the_terminal_and_in_the_log(snakemake, capsys):
    with job(snakemake):
        announce(snakemake, "1 of 16 models is excluded")
    assert capsys.readouterr().err == "magnitude_pruning mini 0000-0015: 1 of 16 models is excluded\n"
    assert "WARNING 1 of 16 models is excluded" in Path(snakemake.log[0]).read_text(encoding="utf-8")


def test_a_saved_state_belongs_to_configuration_and_inputs(snakemake, tmp_path):
    path, digest = resume_file(snakemake)
    assert path.name == "magnitude_pruning-mini-0000-0015.safetensors"
    assert resume_file(snakemake) == (path, digest)
    snakemake.params = Named(settings={"epochs": 16})
    assert resume_file(snakemake)[1] != digest
    snakemake.params = Named(settings={"epochs": 15})
    (tmp_path / "input.csv").write_text("model\nanother\n", encoding="utf-8")
    assert resume_file(snakemake)[1] != digest


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_shown_on_a_terminal_alone(snakemake, monkeypatch, capsys, terminal):
    clock = iter(range(0, 1000, 6))
    monkeypatch.setattr(job_module.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(job_module.Console, "is_terminal", property(lambda console: terminal))
    monkeypatch.setenv("COLUMNS", "140")
    show = progress(snakemake, models=16)
    show(3, 5)  # resumed: the first two epochs took no time here
    show(4, 5)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == (2 if terminal else 0)
    if terminal:
        assert "magnitude_pruning mini 0000-0015" in lines[1]
        assert "epoch 4 of 5, 16 models, 0:00:06 left" in lines[1]
