"""Torch files from strangers: tensors come back, nothing is executed, and odd tensors are refused."""

import zipfile
from contextlib import suppress
from io import BytesIO

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import TensorDataset

from raw_zoos import code_pickles, state, torch_bytes
from zootwins.storage import torch_files
from zootwins.storage.torch_files import RefusedFileError

WHOLE = torch_bytes({"a": torch.arange(6.0)})


def test_tensors_and_containers_come_back():
    loaded = torch_files.load(torch_bytes({"a": torch.arange(3), "b": [1, "c"], "d": state()}))
    assert torch.equal(loaded["a"], torch.arange(3))
    assert loaded["b"] == [1, "c"]
    assert list(loaded["d"]) == list(state())


def test_nothing_is_executed(tmp_path):
    marker = tmp_path / "executed"
    for kind, content in code_pickles(marker).items():
        with pytest.raises(RefusedFileError) as caught:
            torch_files.load(content, allowed=[TensorDataset])
        assert "\n" not in str(caught.value), kind
        assert "weights_only" not in str(caught.value), kind
        assert not marker.exists(), kind


def test_a_refusal_names_what_the_file_asks_for(tmp_path):
    with pytest.raises(
        RefusedFileError, match=r"^Unsupported global: GLOBAL pathlib.Path.touch$|^Unsupported .*getattr$"
    ):
        torch_files.load(code_pickles(tmp_path / "executed")["torch file"])


def test_the_code_pickles_do_run_in_a_trusting_reader(tmp_path):
    """Else the test above would show nothing."""
    marker = tmp_path / "executed"
    for kind, content in code_pickles(marker).items():
        if "torch file" not in kind and "attribute" not in kind:
            continue
        torch.load(BytesIO(content), weights_only=False)
        assert marker.exists(), kind
        marker.unlink()


def test_a_refusal_is_printable_whatever_the_file_says():
    """Found by fuzzing: torch quotes the file's byte order as it stands there."""
    content = BytesIO()
    with zipfile.ZipFile(BytesIO(WHOLE)) as whole, zipfile.ZipFile(content, "w") as archive:
        for name in whole.namelist():
            archive.writestr(name, b"a\x1b[2J" if name.endswith("byteorder") else whole.read(name))
    with pytest.raises(RefusedFileError, match=r"a \[2J") as caught:
        torch_files.load(content.getvalue())
    assert str(caught.value).isprintable()


def test_classes_are_read_only_where_they_are_allowed():
    content = torch_bytes(TensorDataset(torch.zeros(1)))
    assert isinstance(torch_files.load(content, allowed=[TensorDataset]), TensorDataset)
    with pytest.raises(RefusedFileError, match="TensorDataset"):
        torch_files.load(content)


def test_a_bomb_in_a_torch_file_is_refused():
    packed = BytesIO()
    with (
        zipfile.ZipFile(BytesIO(torch_bytes(torch.zeros(1 << 18)))) as whole,
        zipfile.ZipFile(packed, "w", 8) as archive,
    ):
        for entry in whole.infolist():
            archive.writestr(entry.filename, whole.read(entry), zipfile.ZIP_DEFLATED)
    with pytest.raises(RefusedFileError, match="more than its size"):
        torch_files.load(packed.getvalue())


def test_a_flipped_bit_in_the_numbers_is_found():
    content = bytearray(WHOLE)
    content[WHOLE.index(torch.arange(6.0).numpy().tobytes()) + 9] ^= 1
    with pytest.raises(RefusedFileError, match="fails its checksum"):
        torch_files.load(bytes(content))


@pytest.mark.parametrize("numel", [10, 1 << 30])
def test_a_storage_that_lies_about_its_size_is_refused(numel):
    """Six numbers are there; the pickle says more, of the storage and of the tensor."""
    lie = b"J" + numel.to_bytes(4, "little")  # BININT in place of BININT1
    lying = BytesIO()
    with zipfile.ZipFile(BytesIO(WHOLE)) as whole, zipfile.ZipFile(lying, "w") as archive:
        for entry in whole.infolist():
            content = whole.read(entry)
            archive.writestr(
                entry.filename, content.replace(b"K\x06", lie) if entry.filename.endswith("pkl") else content
            )
    with pytest.raises(RefusedFileError):
        torch_files.load(lying.getvalue())


def test_floats_become_finite_float32():
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        assert torch_files.as_floats(torch.tensor([1.5], dtype=dtype)).dtype == torch.float32
    assert torch_files.as_floats(torch.nn.Parameter(torch.ones(2))).requires_grad is False
    for value in (torch.nan, torch.inf, 1e300):
        with pytest.raises(RefusedFileError, match="NaN or infinite"):
            torch_files.as_floats(torch.tensor([1.0, value], dtype=torch.float64))


@pytest.mark.parametrize(
    "value",
    [
        None,
        "text",
        [1.0],
        torch.ones(2, dtype=torch.int64),
        torch.ones(2, dtype=torch.bool),
        torch.ones(2, dtype=torch.complex64),
        torch.ones(2).to(torch.float8_e4m3fn),
        torch.ones(2).to_sparse(),
        torch.ones(2, device="meta"),
        torch.ones(1).expand(1 << 40),
    ],
    ids=lambda value: str(getattr(value, "dtype", value)) + str(getattr(value, "layout", "")),
)
def test_what_is_no_tensor_of_floats_is_refused(value):
    with pytest.raises(RefusedFileError):
        torch_files.as_floats(value)


def test_what_is_no_tensor_of_integers_is_refused():
    assert torch_files.as_integers(torch.tensor([3], dtype=torch.uint8)).dtype == torch.int64
    for value in (torch.ones(2), torch.tensor([True]), torch.ones(1, dtype=torch.int64).expand(1 << 40), 3):
        with pytest.raises(RefusedFileError):
            torch_files.as_integers(value)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_a_damaged_file_is_refused_or_gives_something(data):
    """Bytes changed anywhere, or the file cut: a refusal in one line, or a value; nothing else is raised."""
    content = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with suppress(RefusedFileError):
        torch_files.load(bytes(content[: data.draw(st.integers(0, len(content)))]))
