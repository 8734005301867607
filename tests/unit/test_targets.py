"""What is said of targets that nothing makes, and of paths that lead to two files."""

import os

import pytest

from zootwins.catalogue.messages import too_long, unknown_target
from zootwins.run.errors import InputError
from zootwins.run.paths import located_once

KNOWN = [
    "tables",
    "figures",
    *(f"results/tables/table{number}.{form}" for number in (1, 2, 5) for form in ("csv", "md")),
]


def test_a_misspelled_target_is_answered_with_those_that_there_are():
    assert "tabels: there is no such target; did you mean tables?" in unknown_target("tabels", KNOWN, {})
    message = unknown_target("results/tables/table10.csv", KNOWN, {})
    assert "did you mean results/tables/table1.csv" in message
    assert message.endswith("that folder has table1, table2, table5")
    assert "that folder has" not in unknown_target("nonsense", KNOWN, {})


def test_an_unknown_zoo_in_a_target_is_named_with_those_of_the_catalogue():
    for target in ("results/zoos/y/models.csv", "./results/models/y/mp/0.safetensors"):
        assert "there is no zoo 'y'; the catalogue has z" in unknown_target(target, KNOWN, {"z": None})
    assert "no rule makes it" in unknown_target("results/zoos/z/nothing.csv", KNOWN, {"z": None})


def test_names_too_long_for_a_file_are_answered_with_the_index():
    assert too_long(f"results/models/z/mp/{'m' * 243}.safetensors") is None
    assert "index" in too_long(f"results/models/z/mp/{'m' * 244}.safetensors")
    assert "index" in too_long(f"results/models/z/mp/{'ö' * 122}.safetensors")  # two bytes each


def test_a_relative_path_leads_to_one_file_whichever_folder_it_is_in(tmp_path):
    folders = [tmp_path / name for name in ("catalogue", "working", "project")]
    for folder in folders:
        folder.mkdir()
    assert str(located_once("zoo.zip", folders, "key")) == "zoo.zip"  # as it is
    for folder in reversed(folders[1:]):
        (folder / "zoo.zip").write_text(folder.name)
        assert located_once("zoo.zip", [folders[0], folder], "key") == folder / "zoo.zip"
    os.link(folders[1] / "zoo.zip", folders[0] / "zoo.zip")
    assert located_once("zoo.zip", folders[:2], "key") == folders[0] / "zoo.zip"  # the same file
    with pytest.raises(InputError) as caught:
        located_once("zoo.zip", folders, "cat.yaml: zoos.z.source.archive.path")
    for part in ("cat.yaml: zoos.z", str(folders[0] / "zoo.zip"), str(folders[2] / "zoo.zip"), "absolute path"):
        assert part in str(caught.value)
    assert located_once(folders[2] / "zoo.zip", folders, "key") == folders[2] / "zoo.zip"


def test_names_of_the_previous_version_are_told():
    message = unknown_target("results/tables/paired_methods.csv", KNOWN, {})
    assert message.endswith(": is now called results/tables/equal_sparsity_comparison.csv")
    assert unknown_target("mix_strangers", KNOWN, {}).endswith(": is now called mix_unrelated_models")
