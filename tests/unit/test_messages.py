"""What a user reads of a wrong configuration or catalogue: every mistake at once, in the words of the file."""

from pathlib import Path

import pytest
import yaml

from zootwins.catalogue.entries import load_run
from zootwins.catalogue.yaml_files import read_yaml
from zootwins.run.errors import InputError

ROOT = Path(__file__).parents[2]
DEFAULTS = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
ZOO = """
zoos:
  z:
    source: {archive: {path: zoo.zip}}
    dataset: mnist
    architecture: cnn_s
    models: 2
"""


def mistakes(tmp_path, text: str, **config) -> list[str]:
    """The lines that a catalogue and a changed configuration are refused with."""
    path = tmp_path / "cat.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_run(DEFAULTS | {"catalogue": str(path), "zoos": ["z"]} | config, ROOT)
    return [line.replace(str(path), "cat.yaml") for line in str(caught.value).splitlines()]


def test_all_mistakes_of_configuration_and_catalogue_are_reported_at_once(tmp_path):
    catalogue = ZOO + "    epochs: 3\n    title: 2024\n  y:\n    dataset: mnist\n"
    lines = mistakes(tmp_path, catalogue, max_models="few", zoos="z", engine="fast")
    for place in ("configuration: zoos: ", "max_models: ", "engine: ", "zoos.z.epochs: ", "zoos.z.title: "):
        assert sum(place in line for line in lines) == 1
    assert {f"zoos.y.{key}" for key in ("source", "architecture", "models")} <= {line.split(": ")[1] for line in lines}


def test_mistakes_that_only_configuration_and_catalogue_together_show_are_reported_at_once(tmp_path):
    own = "    magnitude_pruning: {sparsities: [0.8]}\n    soups: {goals: [0.9]}\n"
    lines = mistakes(tmp_path, ZOO + own + (ZOO + own).replace("\nzoos:\n  z", "  y"), zoos=["z", "x"])
    assert len(lines) == 5
    assert "configuration: zoos: 'x' is not in" in lines[0]


def test_a_section_that_a_sparsifier_lacks_is_asked_for_as_one(tmp_path):
    path = tmp_path / "cat.yaml"
    path.write_text(ZOO)
    config = {key: value for key, value in DEFAULTS.items() if key != "random_pruning"}
    with pytest.raises(InputError, match="random_pruning: is missing; add this section, with its keys"):
        load_run(config | {"catalogue": str(path), "zoos": ["z"]}, ROOT)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("{archive: {path: zoo.zip}}", "\n    archive: {path: zoo.zip}"), "it belongs under zoos.z.source: check"),
        (("{archive: {path: zoo.zip}}", "{path: zoo.zip}"), "path' here; it belongs under zoos.z.source.archive"),
        (("{archive: {path: zoo.zip}}", "my_zoo.zip"), "write source: {archive: {path: my_zoo.zip}}"),
        (("{archive: {path: zoo.zip}}", "zoos/mine"), "write source: {directory: zoos/mine}"),
        (("{archive: {path: zoo.zip}}", "{archive: zoo.zip}"), "write archive: {path: zoo.zip}"),
        (("models: 2", "models: two"), "'two': is not a whole number"),
        (("models: 2", "models: true"), "takes no true or false"),
        (("dataset: mnist", "dataset: 7"), "zoos.z.dataset"),
        (("models: 2", "models: 2\n    title: yes"), "zoos.z.title"),
        (("models: 2", "models: 2\n    title: ''"), "zoos.z.title"),
        (("models: 2", "models: 2\n    title: a $b$ zoo"), "zoos.z.title: 'a $b$ zoo': figures would take"),
        (("models: 2", "models: 2\n    soups: 3"), "zoos.z.soups: 3: is not a section"),
        (("models: 2", "models: 2\n    magnitude_pruning: {lr: .inf}"), "is not a finite number"),
        (("  z:", f"  {'z' * 101}:"), "at most 100 characters"),
        ((ZOO, "# nothing yet"), "is empty"),
        ((ZOO, "[z]"), "['z'] is not a section"),
        (("models: 2", "models: 2\n    models: 3"), "the key 'models' is there twice (lines 7 and 8)"),
        (("models: 2", "models: 2\n  z: {}"), "the key 'z' is there twice (lines 3 and 8)"),
        (("models: 2", "models: ["), "not valid YAML"),
    ],
)
def test_a_message_names_place_and_remedy_without_words_of_python(tmp_path, change, message):
    lines = "\n".join(mistakes(tmp_path, ZOO.replace(*change)))
    assert message in lines
    for word in ("tuple", "dict", "instance", "NoneType", "valid string", "validator", "Traceback"):
        assert word not in lines


def test_two_zoos_of_one_title_are_refused(tmp_path):
    other = ZOO.replace("\nzoos:\n  z:", "  y:")
    assert (
        "zoos.y.title: 'My zoo' is the title of z too"
        in mistakes(tmp_path, f"{ZOO}    title: My zoo\n{other}    title: ' My  zoo '\n")[0]
    )
    assert "zoos.y.title: 'z' is the title of z too" in mistakes(tmp_path, f"{ZOO}{other}    title: z\n")[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: größe".encode("latin-1"), "is no UTF-8 text; save it as UTF-8"),
        ("a: größe".encode("utf-16"), "is no UTF-8 text; save it as UTF-8"),
        (b"a: \x00", "not valid YAML"),
        (b'{"a": 1, "a": 2}', "the key 'a' is there twice"),
        (b"b: {a: 1, a: 2}", "the key 'a' is there twice"),
        (b"{a: 1, a: 2}", "the key 'a' is there twice"),
        (b"[" * 5000, "not valid YAML"),
        (b"- &a [*a, !!python/name:os.system x]", "not valid YAML"),
        (None, "is a folder, not a file"),
    ],
)
def test_a_file_that_is_no_yaml_is_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "file.yaml"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_yaml(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_yaml_allows_is_read(tmp_path):
    path = tmp_path / "file.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: &one {x: 1, y: 2}\nb: {<<: *one, y: 3}\n1: {}\n'1': {}\n")
    assert read_yaml(path) == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}, 1: {}, "1": {}}
    path.write_text('{"a": [1, 2.5, null]}', encoding="utf-8")
    assert read_yaml(path) == {"a": [1, 2.5, None]}
