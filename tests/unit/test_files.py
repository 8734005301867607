"""Files that are whole or not there, and what is said where there is no room for them."""

import errno
import logging
import os

import pytest
import torch
from safetensors import SafetensorError

from zootwins.run.errors import InputError, one_line
from zootwins.storage.files import replacing
from zootwins.storage.resume import Resume

FULL = [
    (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "the disk is full"),
    (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), "the quota is used up"),
    (SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"), "the disk is full"),
]


def write_half(path, error: Exception) -> None:
    with replacing(path) as temporary:
        temporary.write_text("half", encoding="utf-8")
        raise error


@pytest.mark.parametrize(("error", "reason"), FULL, ids=str)
def test_no_room_is_one_line_with_the_remedy_and_leaves_nothing(tmp_path, error, reason):
    path = tmp_path / "folder/a.csv"
    with pytest.raises(InputError) as caught:
        write_half(path, error)
    assert str(caught.value) == f"{path}: {reason}; make room there and run the same command again"
    assert list(path.parent.iterdir()) == []


def test_other_errors_stay_what_they_are(tmp_path):
    with pytest.raises(ConnectionError):
        write_half(tmp_path / "a", ConnectionError(errno.ECONNRESET, "reset"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [FULL[0][0], PermissionError(errno.EACCES, "Permission denied")])
def test_a_state_that_cannot_be_saved_does_not_end_the_run_and_leaves_the_last_one(
    tmp_path, monkeypatch, caplog, error
):
    resume = Resume(tmp_path / "state.safetensors", "x")
    resume.save(1, lambda: {"a": torch.zeros(2)})
    resume.due = 0.0

    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr("os.fsync", fail)
    with caplog.at_level(logging.WARNING):
        resume.save(2, lambda: {"a": torch.ones(2)})
    assert "the run continues, but epoch 2 was not saved to resume from" in caplog.text
    assert resume.load()[0] == 1


def test_what_others_say_is_cut_between_words():
    assert one_line("two\nlines\x1b") == "two lines"
    long = one_line("a word " * 100)
    assert long.endswith(("a word …", "a …"))
    assert len(long) <= 200
    assert one_line("x" * 1000) == "x" * 198 + " …"
    assert one_line("x" * 200) == "x" * 200
