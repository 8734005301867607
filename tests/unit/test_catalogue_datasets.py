"""Data sets of a catalogue: named, inside a zoo's entry, borrowed from another zoo, and what of that cannot be."""

import os
from pathlib import Path

import numpy as np
import pytest
import yaml

from zootwins.catalogue.entries import Run, load_run
from zootwins.catalogue.experiments import get_experiment
from zootwins.catalogue.files import Files
from zootwins.run.errors import InputError

TRANSFER = get_experiment("transfer")
ROOT = Path(__file__).parents[2]
DEFAULTS = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
BARS = {"npz": "bars.npz", "classes": 12, "normalisation": [-1, 1], "split": {"validation": 0.1}, "labels": "bars"}


def run_of(tmp_path, datasets: dict, zoos: dict, **more) -> Run:
    """A run of zoos that differ by their data set, and by `more` of the first one."""
    entry = {"source": {"archive": {"path": "zoo.zip"}}, "architecture": "cnn_s", "models": 2}
    entries = {zoo: entry | {"dataset": given} for zoo, given in zoos.items()}
    first = next(iter(zoos))
    entries[first] |= more
    path = tmp_path / "cat.yaml"
    path.write_text(yaml.safe_dump({"datasets": datasets, "zoos": entries}), encoding="utf-8")
    return load_run(DEFAULTS | {"catalogue": str(path), "zoos": [first]}, ROOT)


def test_a_data_set_is_named_or_stands_in_the_zoos_entry(tmp_path):
    run = run_of(
        tmp_path, {"bars": BARS}, {"a": "bars", "b": BARS, "c": BARS | {"size": 9}, "d": "mnist", "e": "archive"}
    )
    names = {zoo.id: zoo.dataset for zoo in run.catalogue.values()}
    assert names == {"a": "bars", "b": "bars", "c": "bars.npz", "d": "mnist", "e": "archive"}
    assert run.datasets["bars.npz"].size == 9
    assert run.datasets["usps"].size == 28  # one that every catalogue has


def test_two_data_sets_from_files_of_one_name_are_two(tmp_path):
    run = run_of(tmp_path, {}, {"a": BARS, "b": BARS | {"size": 9}})
    assert [run.catalogue[zoo].dataset for zoo in "ab"] == ["bars.npz", "bars.npz of b"]


def test_an_image_that_changes_is_another_data_set_whatever_its_size(tmp_path):
    image = tmp_path / "pets/train/cat/0.bmp"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"one")
    run = run_of(tmp_path, {"pets": {"folder": "pets", "normalisation": [0, 1]}}, {"a": "pets"})
    files = Files(run, ROOT, lambda find, name, *read: str(find(name)))
    before = files.dataset_settings("pets")
    assert files.dataset_settings("pets") == before
    image.write_bytes(b"two")
    os.utime(image, ns=(1, 1))
    assert files.dataset_settings("pets") != before


def test_the_file_of_a_data_set_is_beside_the_catalogue(tmp_path):
    run = run_of(tmp_path, {"bars": BARS}, {"a": "bars", "b": "mnist"})
    assert str(run.dataset_path("bars")) == "bars.npz"  # nowhere yet: a rule may make it
    np.savez(tmp_path / "bars.npz", a=1)
    assert run.dataset_path("bars") == tmp_path / "bars.npz"
    assert run.dataset_path("mnist") is None
    assert run.dataset_path("archive") is None


@pytest.mark.parametrize(
    ("datasets", "dataset", "message"),
    [
        ({}, "mnits", "zoos.a.dataset: 'mnits' is no data set; did you mean mnist?"),
        ({}, "birds", "zoos.a.dataset: 'birds' is no data set; there are mnist, "),
        ({"mnist": BARS}, "mnist", "datasets.mnist: every catalogue has a data set of this name"),
        ({"archive": BARS}, "mnist", "datasets.archive: every catalogue"),
        ({"bars": BARS | {"siz": 3}}, "bars", "datasets.bars.siz: there is no key 'siz' here; did you mean size?"),
        ({"bars": {"npz": "a.npz"}}, "bars", "datasets.bars: normalisation is missing"),
        ({}, {"npz": "a.npz", "norm": [0, 1]}, "zoos.a.dataset.norm: there is no key 'norm'"),
        ({}, {"zoo": "nowhere"}, "zoo: 'nowhere' is not in this catalogue"),
        ({}, {"zoo": "a"}, "zoo: a has no data of its own, but those of a"),
        ({"bars": BARS}, {"torchvision": "MNIST", "normalisation": [0, 1], "split": {"trian": 3}}, "trian"),
    ],
)
def test_data_sets_that_cannot_be_are_named(tmp_path, datasets, dataset, message):
    with pytest.raises(InputError) as caught:
        run_of(tmp_path, datasets, {"a": dataset})
    assert message in str(caught.value)
    assert str(tmp_path / "cat.yaml") in str(caught.value)


def test_shifted_sets_are_those_whose_labels_mean_the_same(tmp_path):
    other = BARS | {"npz": "noisy_bars.npz"}
    soups = {"soups": {"shifted_sets": ["other"]}}
    zoos = {"a": {"zoo": "b"}, "b": "bars"}
    assert run_of(tmp_path, {"bars": BARS, "other": other}, zoos, **soups).settings["soups"]["a"].shifted_sets == (
        "other",
    )
    with pytest.raises(InputError, match="labels of other mean something else than those of bars"):
        run_of(tmp_path, {"bars": BARS, "other": other | {"labels": "rods"}}, {"a": "bars"}, **soups)


def test_tasks_are_any_data_sets_of_the_catalogue_but_a_zoos_own(tmp_path):
    run = run_of(tmp_path, {"bars": BARS}, {"a": "bars", "b": "mnist"})
    tasks = ("bars", "digits", "zoo:b", "bars:inverted")
    transfer = run.config.transfer.model_copy(update={"tasks": tasks})
    object.__setattr__(run, "config", run.config.model_copy(update={"transfer": transfer}))
    assert TRANSFER.tasks(run, "a") == ["digits", "zoo:b", "bars:inverted"]
    assert TRANSFER.tasks(run, "b") == ["bars", "digits", "bars:inverted"]
