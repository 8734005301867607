"""Tables on disk: what is written is read; what is damaged is refused, wherever the damage is."""

import subprocess

import numpy as np
import pandas as pd
import pytest

from zootwins.run.errors import InputError
from zootwins.storage.checksums import beside
from zootwins.storage.frames import read_csv, read_parquet, write_csv, write_parquet

TABLE = pd.DataFrame(
    {
        "model": ["NN_0", "NN_1", None],
        "index": [0, 1, 2],
        "lr": [1 / 3, 1e-7, np.nan],
        "kept": [True, False, True],
        "accuracy": np.array([0.1, 0.5, np.nan], dtype=np.float32),
    }
)
METADATA = {"configuration": '{"rule": "import_zoo"}'}


def refusal(read, path) -> str:
    with pytest.raises(InputError) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}")
    assert "make it again: snakemake --cores 4 --force " in message
    assert message.isprintable()
    return message


@pytest.fixture(params=["parquet", "csv"])
def stored(request, tmp_path):
    """A reader, and a path of its format that the table is at."""
    path = tmp_path / f"table.{request.param}"
    if request.param == "parquet":
        write_parquet(TABLE, path, METADATA)
        return read_parquet, path
    write_csv(TABLE, path, digits=None)
    return read_csv, path


def test_what_is_written_is_read(stored):
    read, path = stored
    pd.testing.assert_frame_equal(read(path), TABLE, check_dtype=path.suffix == ".parquet")
    assert not list(path.parent.glob("*.tmp"))


def test_every_flipped_bit_is_told(stored):
    """Of every byte of the file, wherever the format holds data, names, types, provenance or the checksum itself."""
    read, path = stored
    content = path.read_bytes()
    for position in range(len(content)):
        flipped = content[position] ^ 1 << position % 8
        path.write_bytes(content[:position] + bytes([flipped]) + content[position + 1 :])
        assert "damaged" in refusal(read, path)


def test_what_is_truncated_gone_or_another_is_told(stored):
    read, path = stored
    content = path.read_bytes()
    for length in (0, 1, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        assert "damaged" in refusal(read, path)
    path.unlink()
    assert "not there" in refusal(read, path)
    path.mkdir()
    assert "cannot be read" in refusal(read, path)


def test_columns_that_nobody_asked_for_are_not_read(tmp_path):
    write_parquet(TABLE, tmp_path / "table.parquet", METADATA)
    pd.testing.assert_frame_equal(read_parquet(tmp_path / "table.parquet", ["model"]), TABLE.drop(columns="model"))


def test_a_csv_is_a_csv_and_its_checksum_is_one_that_sha256sum_checks(tmp_path):
    path = tmp_path / "models.csv"
    write_csv(TABLE, path)
    assert path.read_text(encoding="utf-8").splitlines()[:2] == [
        "model,index,lr,kept,accuracy",
        "NN_0,0,0.333333,True,0.1",
    ]
    subprocess.run(["sha256sum", "--check", "--strict", beside(path).name], cwd=tmp_path, check=True)
    beside(path).unlink()
    assert "models.csv.sha256: not there" in refusal(read_csv, path)
    path.with_name("other.csv").write_bytes(path.read_bytes())
    write_csv(TABLE.head(1), path)
    path.write_bytes(path.with_name("other.csv").read_bytes())
    assert "models.csv: damaged (it does not match models.csv.sha256)" in refusal(read_csv, path)


def test_columns_of_the_previous_version_are_read_under_their_new_names(tmp_path, caplog):
    write_parquet(TABLE.rename(columns={"kept": "one_class"}), tmp_path / "table.parquet", METADATA)
    pd.testing.assert_frame_equal(read_parquet(tmp_path / "table.parquet"), TABLE.rename(columns={"kept": "collapsed"}))
    (record,) = caplog.records
    assert record.getMessage().endswith("has columns of the previous version: one_class is now collapsed")


def test_names_that_look_like_nothing_are_names(tmp_path):
    frame = pd.DataFrame({"zoo": ["nan", "null", "NA", "none"], "value": [1.5, None, 2.0, 3.0]})
    write_csv(frame, tmp_path / "table.csv")
    pd.testing.assert_frame_equal(read_csv(tmp_path / "table.csv"), frame)
