"""Files of tensors of every kind: what is written is read; what is damaged, lies or is something else is refused."""

import json
import struct
import zipfile
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from synthetic import ARCHITECTURE, make_models, make_representation, make_shard
from zootwins.experiments.representations.storage import load_representation, save_representation
from zootwins.images.corruptions import save_shifted, shifted_sets
from zootwins.images.datasets import StoredData, load_stored, save_dataset
from zootwins.reporting.typeset import write_texts
from zootwins.run.errors import InputError
from zootwins.run.provenance import record
from zootwins.sparsifiers.small_twins import SmallTwins, read_small, write_small
from zootwins.storage import tensor_files
from zootwins.storage.files import remedy
from zootwins.storage.frames import write_csv, write_parquet
from zootwins.storage.shards import read_shard
from zootwins.storage.tensor_files import KINDS
from zootwins.storage.verification import counted, problems, refuse_wrong, verify
from zootwins.zoos.originals import initial_rows, load_originals, read_parameters, read_predictions, write_rows

READERS = {
    "shard": read_shard,
    "small": read_small,
    "originals": read_parameters,
    "initial": initial_rows,
    "predictions": read_predictions,
    "dataset": load_stored,
    "representation": load_representation,
    "shifted": lambda path: list(shifted_sets(path)),
}
INDEX = torch.tensor([0, 2, 3])
CLASSES = torch.zeros(3, 20, dtype=torch.uint8)
SPLITS = ("train", "validation", "test")
IMAGES = {f"{split}.images": torch.zeros(4, 1, 5, 5, dtype=torch.uint8) for split in SPLITS}
LABELS = {f"{split}.labels": torch.zeros(4, dtype=torch.uint8) for split in SPLITS}
DATA = {"images": IMAGES, "labels": LABELS}
NORMALISED = {"mean": "[0.5]", "std": "[0.5]"}
SHARD = dict.fromkeys(KINDS["shard"], "[]") | {"method": "vd", "models": '["a"]', "index": "[0]"}
TABLES = {"models": ".csv", "history": ".parquet"}
TABLE = pd.DataFrame({"model": ["a", "b"], "index": [0, 1], "epoch": [0, 0], "test_accuracy": [0.5, np.nan]})
FLOATS = torch.zeros(1, 2)


@cache
def whole(kind: str) -> bytes:
    """The content of a whole file of a kind."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "whole"
        if kind == "shard":
            make_shard(path, "vd", make_models(2))
        elif kind == "small":
            shapes = ARCHITECTURE.parameter_shapes.items()
            twins = SmallTwins(
                {"ratio": 0.5}, ARCHITECTURE, {name: torch.randn(2, *shape) for name, shape in shapes}, {}
            )
            write_small(path, make_shard(Path(folder) / "shard", "mp", make_models(2)), [twins], {})
        elif kind in ("originals", "initial"):
            shapes = ARCHITECTURE.parameter_shapes.items()
            write_rows(path, kind, INDEX, {name: torch.randn(3, *shape) for name, shape in shapes}, {})
        elif kind == "predictions":
            write_rows(path, kind, INDEX, {"predictions": CLASSES}, {})
        elif kind == "representation":
            save_representation(path, make_representation(), {})
        else:
            images, labels = ({split: values[f"{split}.{name}"] for split in SPLITS} for name, values in DATA.items())
            if kind == "shifted":  # corruptions are defined for 28 and 32 pixels
                images["test"] = torch.zeros(4, 1, 28, 28, dtype=torch.uint8)
                save_shifted(path, StoredData(images, labels, (0.5,), (0.5,)), {}, {})
            else:
                save_dataset(path, StoredData(images, labels, (0.5,), (0.5,)), {})
        return path.read_bytes()


def make(folder: Path, kind: str) -> Path:
    """A whole file of a kind."""
    path = folder / f"{kind}.safetensors"
    path.write_bytes(whole(kind))
    return path


def make_table(folder: Path, kind: str) -> Path:
    """A whole file of a kind of table."""
    path = folder / f"{kind}{TABLES[kind]}"
    writers = {".csv": write_csv, ".parquet": partial(write_parquet, metadata={"software": "{}"})}
    writers[path.suffix](TABLE, path)
    return path


def test_archives_have_checksums_of_their_own(tmp_path):
    path = tmp_path / "originals.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("NN_0/params.json", "{}" * 50)
    assert list(verify({}, {"export": [str(path)]}, []).status) == ["ok"]
    content = path.read_bytes()
    for damage in (content.replace(b"{}{}", b"{}{{", 1), content[:-30]):
        path.write_bytes(damage)
        (row,) = verify({}, {"export": [str(path)]}, []).itertuples()
        assert row.status == "damaged"
        assert row.problem.startswith(f"{path}: ")
        assert row.problem.endswith(remedy(path))


def refusal(path: Path, kind: str) -> str:
    """What the reader of a kind says, one line that names the file and what to do."""
    with pytest.raises(InputError) as caught:
        READERS[kind](path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.endswith(remedy(path))
    assert message.isprintable()
    assert len(message) < 600
    return message


def test_every_kind_of_result_has_a_reader():
    assert READERS.keys() == KINDS.keys() - {"state"}


def test_a_report_has_a_row_for_every_file(tmp_path):
    files = {kind: [str(make(tmp_path, kind))] for kind in READERS}
    files |= {kind: [str(make_table(tmp_path, kind))] for kind in TABLES}
    lost, later = (str(tmp_path / f"{name}.safetensors") for name in ("lost", "later"))
    report = verify(files | {"shard": [*files["shard"], lost]}, {"shard": [later]}, []).set_index("file")
    assert report.status[lost] == "missing"
    assert report.problem[lost] == f"{lost}: missing; {remedy(lost)}"
    assert report.status[later] == "not made"
    assert set(report.status.drop([lost, later])) == {"ok"}
    assert len(report) == len(files) + 2
    for kind in ("predictions", "models", "history"):
        damaged = Path(files[kind][0])
        damaged.write_bytes(damaged.read_bytes()[:-1])
        report = verify(files, {}, []).set_index("kind")
        assert report.status[kind] == "damaged"
        assert report.problem[kind].startswith(f"{damaged}: ")


def test_a_table_of_other_zoos_is_reported(tmp_path):
    """Tables keep their names when `zoos` changes, so that those of another set may lie where these are expected."""
    for name, zoos in (("table1", ["a", "b"]), ("table2", ["b", "a"]), ("table3", ["a"])):
        write_csv(pd.DataFrame({"x": [1]}), tmp_path / f"{name}.csv")
        grid = pd.DataFrame({"x": ["1"]}, index=pd.MultiIndex.from_tuples([("a",)], names=["Zoo"]))
        origin = record({"rule": "make_table", "zoos": [{"id": zoo} for zoo in zoos]})
        write_texts(grid, "Title", "Note.", [tmp_path / f"{name}.md"], origin)
    write_csv(pd.DataFrame({"x": [1]}), tmp_path / "unknown.csv")
    tables = sorted(map(str, tmp_path.glob("*.csv")))
    report = verify({"table": tables}, {}, ["a", "b"])
    assert report["status"].tolist() == ["ok", "ok", "of other zoos", "ok"]
    assert "of a, not of this run's a, b; make it again" in report["problem"][2]


def test_equal_content_gives_equal_bytes(tmp_path):
    """Snakemake compares bytes to see whether an intermediate that was made again has changed."""
    provenance = {f"entry {number}": "ü\n\x01\u2028" for number in range(20)}
    for folder in ("first", "second"):
        tensor_files.write(tmp_path / folder / "a", "originals", {"ü": FLOATS, "b": INDEX}, {}, provenance)
        write_parquet(TABLE, tmp_path / folder / "b", provenance)
    for name in "ab":
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    assert provenance.items() <= tensor_files.check(tmp_path / "first/a", "originals")[0].items()


@pytest.mark.parametrize("kind", READERS)
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_a_flipped_bit_is_found_wherever_it_is_among_the_tensors(tmp_path_factory, kind, data):
    path = make(tmp_path_factory.mktemp("files"), kind)
    content = bytearray(path.read_bytes())
    header = 8 + struct.unpack("<Q", content[:8])[0]
    position = data.draw(st.integers(header, len(content) - 1))
    content[position] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    assert "damaged (its checksum does not match)" in refusal(path, kind)


@pytest.mark.parametrize(
    ("kind", "before", "after"), [("shard", b"NN_0001", b"NN_0002"), ("dataset", b"[0.5]", b"[0.4]")]
)
def test_metadata_that_say_what_the_tensors_are_are_covered(tmp_path, kind, before, after):
    path = make(tmp_path, kind)
    path.write_bytes(path.read_bytes().replace(before, after))
    assert "damaged (its checksum does not match)" in refusal(path, kind)


def test_a_file_is_what_safetensors_writes(tmp_path):
    """Every type that the program's files have, scalars, empty and non-contiguous tensors, and any text."""
    types = (torch.float32, torch.float64, torch.int64, torch.int16, torch.uint8, torch.bool, torch.int32)
    tensors = {f"t{number}.ü": torch.arange(6).view(2, 3).to(each) for number, each in enumerate(types)}
    tensors |= {"scalar": torch.tensor(1.5), "none": torch.zeros(0, 3), "turned": torch.arange(6.0).view(2, 3).T}
    tensor_files.write(tmp_path / "a", "originals", tensors, {}, {'é"': "line\n\t\\ü\x01"})
    metadata, shapes = tensor_files.check(tmp_path / "a", "originals")
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, tmp_path / "b", metadata=metadata)
    found, expected = ((tmp_path / name).read_bytes() for name in "ab")
    size = int.from_bytes(found[:8], "little") + 8
    assert found[:8] == expected[:8]
    assert list(json.loads(found[8:size]).items())[1:] == list(json.loads(expected[8:size]).items())[1:]
    assert found[size:] == expected[size:]
    assert shapes == {name: tuple(tensor.shape) for name, tensor in sorted(tensors.items())}


def test_damage_in_any_piece_of_a_tensor_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(tensor_files, "PIECE", 7)
    path = make(tmp_path, "originals")
    tensor_files.check(path, "originals")
    content = path.read_bytes()
    for place in range(len(content) - 100, len(content), 9):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert "damaged (its checksum does not match)" in refusal(path, "originals")


def test_files_of_earlier_runs_keep_their_checksums(tmp_path):
    """Another way to compute it would call every shard of every finished run damaged."""
    path = tmp_path / "a.safetensors"
    tensor_files.write(path, "shard", {"a": FLOATS, "b": torch.ones(1, dtype=torch.bool)}, SHARD, {"engine": "torch"})
    assert read_shard(path).metadata["checksum"] == "f09defc12a256bbfa3cba09b4854ad7f"


@pytest.mark.parametrize("kind", READERS)
@settings(deadline=None, max_examples=25)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_is_refused(tmp_path_factory, kind, share):
    path = make(tmp_path_factory.mktemp("files"), kind)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert "not a readable safetensors file" in refusal(path, kind)


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize(
    "header",
    [
        {"x": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]}},
        {"x": {"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 4]}},
        {"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}},
        {"x": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}},
        {"x": {"dtype": "F32", "shape": [1], "data_offsets": [10**15, 10**15 + 4]}},
        {"x": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}},
        {name: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for name in "xy"},  # on top of each other
        {"x": {"dtype": "F99", "shape": [1], "data_offsets": [0, 4]}},
        {"x": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}},
        {"x": {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}},
        {"x": {"dtype": "F6_E2M3", "shape": [0], "data_offsets": [0, 0]}},
        {"x": "F32"},
        {"x": {"dtype": "a\nb\x1b[2J" + 10_000 * "c", "shape": [1], "data_offsets": [0, 4]}},
    ],
    ids=lambda header: str(header)[:60],
)
def test_a_lying_header_is_refused(tmp_path, kind, header):
    text = json.dumps(header | {"__metadata__": {"format": f"zootwins-{kind}"}}).encode()
    path = tmp_path / "lies.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"\0" * 4)
    refusal(path, kind)
    path.write_bytes(struct.pack("<Q", 2**62) + text)
    assert "not a readable safetensors file" in refusal(path, kind)


@pytest.mark.parametrize("kind", READERS)
def test_another_file_is_refused(tmp_path, kind):
    save_file({"x": torch.zeros(2)}, tmp_path / "x.safetensors")
    assert f"none of this program's of kind {kind}" in refusal(tmp_path / "x.safetensors", kind)
    other = next(other for other in READERS if other != kind)
    assert f"none of this program's of kind {kind}" in refusal(make(tmp_path, other), kind)
    save_file({"x": torch.zeros(2)}, tmp_path / "old.safetensors", {"format": f"zootwins-{kind}"})
    assert "its checksum is missing" in refusal(tmp_path / "old.safetensors", kind)


@pytest.mark.parametrize(
    ("kind", "tensors", "description"),
    [
        ("predictions", {"index": INDEX}, {}),
        ("predictions", {"predictions": CLASSES}, {}),
        ("predictions", {"index": INDEX, "predictions": CLASSES.float()}, {}),
        ("predictions", {"index": INDEX, "predictions": CLASSES[:2]}, {}),
        ("predictions", {"index": INDEX, "predictions": CLASSES[:, 0]}, {}),
        ("predictions", {"index": INDEX.float(), "predictions": CLASSES}, {}),
        ("predictions", {"index": INDEX[0], "predictions": CLASSES[0, 0]}, {}),
        ("originals", {"conv1.bias": torch.zeros(3, 8)}, {}),
        ("originals", {"index": INDEX, "conv1.bias": torch.zeros(3, 8, dtype=torch.int64)}, {}),
        ("originals", {"index": INDEX, "conv1.bias": torch.zeros(())}, {}),
        ("originals", {"index": INDEX[0], "conv1.bias": torch.zeros(())}, {}),
        ("dataset", IMAGES | LABELS, {}),
        ("dataset", IMAGES | LABELS, NORMALISED | {"mean": "["}),
        ("dataset", IMAGES | LABELS, NORMALISED | {"mean": "0.5"}),
        ("dataset", IMAGES | LABELS, NORMALISED | {"mean": '["a"]'}),
        ("dataset", IMAGES | LABELS, NORMALISED | {"mean": "[0.5, 0.5]"}),
        ("dataset", IMAGES | LABELS, NORMALISED | {"std": "[" * 100_000}),
        ("dataset", IMAGES, NORMALISED),
        ("dataset", IMAGES | LABELS | {"test.labels": torch.zeros(3, dtype=torch.uint8)}, NORMALISED),
        ("dataset", IMAGES | LABELS | {"test.labels": torch.zeros(4)}, NORMALISED),
        ("dataset", IMAGES | LABELS | {"test.images": torch.zeros(4, 1, 5)}, NORMALISED),
        ("dataset", IMAGES | LABELS | {"test.images": torch.zeros(4, 1, 5, 5, dtype=torch.int64)}, NORMALISED),
        ("shard", {"test_loss": FLOATS}, {}),
        ("shard", {"test_loss": FLOATS}, SHARD | {"axes": '[["ratio", [0.0]]]'}),
        ("shard", {"test_loss": FLOATS}, SHARD | {"axes": '["ratio"]'}),
        ("shard", {"test_loss": FLOATS}, SHARD | {"models": '"a"'}),
        ("shard", {"test_loss": FLOATS}, SHARD | {"models": "[0]"}),
        ("shard", {"test_loss": FLOATS}, SHARD | {"index": "[0, 1]"}),
        ("shard", {"test_loss": FLOATS}, SHARD | {"index": "[" * 100_000}),
        ("shard", {"test_loss": FLOATS}, SHARD | {"states": "[true]"}),
        ("shard", {"test_loss": torch.zeros(2, 2)}, SHARD),
        ("shard", {"test_loss": torch.zeros(())}, SHARD),
    ],
    ids=str,
)
def test_tensors_that_are_not_those_of_the_kind_are_refused_whatever_their_checksum(
    tmp_path, kind, tensors, description
):
    path = tmp_path / "lies.safetensors"
    tensor_files.write(path, kind, tensors, description, {})
    assert "checksum" not in refusal(path, kind)


def test_weights_of_another_architecture_are_refused(tmp_path):
    weights = make(tmp_path, "originals")
    write_csv(make_models(4, excluded=(1,)), tmp_path / "models.csv", digits=None)
    assert len(load_originals(weights, tmp_path / "models.csv", "cnn_s", 0, 4)) == 3
    assert len(load_originals(weights, tmp_path / "models.csv", "cnn_s")) == 3  # to the last
    with pytest.raises(
        InputError, match=r"originals\.safetensors: its tensors are not those of cnn_l: conv1.weight is .*; make it"
    ):
        load_originals(weights, tmp_path / "models.csv", "cnn_l", 0, 4)


def test_a_report_with_wrong_files_ends_in_one_line():
    report = pd.DataFrame(
        {"status": ["ok", "missing", "damaged", "not made", "ok"], "problem": ["", "a: missing", "b: damaged", "", ""]}
    )
    assert problems(report) == ["a: missing", "b: damaged"]
    assert set(counted(report).split(", ")) == {"2 ok", "1 missing", "1 damaged", "1 not made"}
    with pytest.raises(InputError, match=r"^r\.csv: lists 1 damaged and 1 missing of 5 files, and for each what"):
        refuse_wrong(report, "r.csv")
    with pytest.raises(InputError, match=r"lists 1 missing of 4"):
        refuse_wrong(report[report.status != "damaged"], "r.csv")
    refuse_wrong(report[report.status.isin(["ok", "not made"])], "r.csv")


def test_a_shard_reads_the_rows_of_its_models_alone(tmp_path, monkeypatch):
    weights = make(tmp_path, "originals")
    write_csv(make_models(4, excluded=(1,)), tmp_path / "models.csv", digits=None)
    everything, read = load_originals(weights, tmp_path / "models.csv", "cnn_s", 0, 4), []

    class Spy:
        def __init__(self, *arguments):
            self.file = safe_open(*arguments)

        def __enter__(self):
            self.opened = self.file.__enter__()
            return self

        def __exit__(self, *arguments):
            self.file.__exit__(*arguments)

        def get_tensor(self, name):
            read.append((name, "all"))
            return self.opened.get_tensor(name)

        def get_slice(self, name):
            stored = self.opened.get_slice(name)

            class Slice:
                get_shape = stored.get_shape

                def __getitem__(self, rows):
                    part = stored[rows]
                    read.append((name, len(part)))
                    return part

            return Slice()

    monkeypatch.setattr("zootwins.zoos.originals.safe_open", Spy)
    last = load_originals(weights, tmp_path / "models.csv", "cnn_s", 3, 4)
    assert {count for _, count in read} == {0, 1, "all"}
    assert [name for name, count in read if count == "all"] == ["index"]
    for name, tensor in last.parameters.items():
        assert torch.equal(tensor, everything.parameters[name][2:])
    assert len(load_originals(weights, tmp_path / "models.csv", "cnn_s", 1, 2)) == 0
