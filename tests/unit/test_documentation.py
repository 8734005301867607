"""What the documentation says is so: the tables of keys, the example of a sparsifier, the links of its pages."""

import importlib.util
import re
import tomllib
from types import ModuleType

import pytest
import torch
import yaml
from PIL import Image

from projects import REPOSITORY
from zootwins.architectures.registry import REGISTRY as ARCHITECTURES
from zootwins.catalogue.experiments import experiments, figures
from zootwins.sparsifiers.registry import REGISTRY as SPARSIFIERS


@pytest.fixture(scope="module")
def pages() -> ModuleType:
    specification = importlib.util.spec_from_file_location("pages", REPOSITORY / "docs/pages.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_readme_of_the_configuration_has_the_keys_that_there_are(pages):
    """If it does not: python docs/pages.py --update-readme."""
    readme = (REPOSITORY / "config/README.md").read_text(encoding="utf-8")
    assert pages.with_keys(readme) == readme
    configuration = yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8"))
    sections = [configuration, *(section for section in configuration.values() if isinstance(section, dict))]
    for key in (key for section in sections for key in section):
        assert f"| `{key}` |" in readme
    files = readme.partition("## The run")[0]
    assert all(f"`{path.name}`" in files for path in (REPOSITORY / "config").glob("*.yaml"))


def test_the_page_of_targets_has_what_the_experiments_have(pages):
    """If it does not: python docs/pages.py --update-readme."""
    text = (REPOSITORY / "docs/reference/targets.md").read_text(encoding="utf-8")
    assert pages.with_results(text) == text
    for experiment in experiments():
        assert experiment.in_all or f"| [`{experiment.id}`](#{experiment.id}) |" in text
        section = text.partition(f"### `{experiment.id}`\n")[2].partition("\n### ")[0]
        assert all(f"| `tables/{table.name}.csv` | {table.title} |" in section for table in experiment.tables)
        assert all(f"| `figures/{figure.name}.svg` |" in section for figure in experiment.figures)
        assert all(f"{name.rpartition('/')[2]}.parquet` |" in section for name in experiment.long_tables)


def test_thumbnails_are_small_and_of_figures_that_there_are(pages, tmp_path, monkeypatch):
    folder = REPOSITORY / "docs/images/thumbnails"
    assert {path.stem for path in folder.iterdir()} <= set(figures())
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    (tmp_path / "docs/images/thumbnails").mkdir(parents=True)
    pages.make_thumbnails(REPOSITORY / "docs/images")
    with Image.open(tmp_path / "docs/images/thumbnails/figure5.png") as picture:
        assert picture.width == 240


def test_key_tables_tell_values_bounds_and_defaults(pages):
    schema = {
        "description": "Everything.",
        "properties": {
            "size": {"type": "integer", "minimum": 1, "maximum": 9, "description": "How large | wide."},
            "part": {"$ref": "#/$defs/Part", "description": "Of it."},
            "zoos": {"patternProperties": {"^z": {"$ref": "#/$defs/Part"}}, "type": "object"},
        },
        "required": ["size", "zoos"],
        "$defs": {
            "Part": {
                "type": "object",
                "description": "A part.",
                "properties": {
                    "lr": {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "null"}], "default": None},
                    "names": {"type": "array", "items": {"enum": ["a", "b"]}, "default": ["a"]},
                },
            }
        },
    }
    text = pages.key_tables(schema, {"part": {"lr": 0.1}})
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert rows == [
        r"| `size` | integer ≥ 1, ≤ 9 | required | How large \| wide. |",
        "| `part` | section |  | Of it. |",
        "| `zoos` | section | required |  |",
        "| `lr` | number > 0 or `null` | `0.1` |  |",
        "| `names` | list of `a`, `b` | `[a]` |  |",
        "| `lr` | number > 0 or `null` |  |  |",
        "| `names` | list of `a`, `b` | `[a]` |  |",
    ]
    assert re.findall("### `(.*)`", text) == ["part", "zoos.{name}"]


def test_links_lead_to_pages_and_those_to_other_files_become_text(pages):
    known = {
        "docs/own_zoo.md": "own_zoo.md",
        "config/README.md": "reference/keys.md",
        "docs/images/a.svg": "images/a.svg",
    }
    text = "[a](own_zoo.md#x) [b](../config/README.md) [c](../LICENSE) [d](https://e.org) [e](#f) ![g](images/a.svg)"
    assert pages.relinked(text, "docs/index.md", "index.md", known) == (
        "[a](own_zoo.md#x) [b](reference/keys.md) c [d](https://e.org) [e](#f) ![g](images/a.svg)"
    )
    assert (
        pages.relinked("[a](../docs/own_zoo.md)", "config/README.md", "reference/keys.md", known)
        == "[a](../own_zoo.md)"
    )


def test_every_page_is_in_the_navigation_and_every_package_has_one(pages, tmp_path):
    pages.write_pages(tmp_path / "pages")
    written = {path.relative_to(tmp_path / "pages").as_posix() for path in (tmp_path / "pages").rglob("*.md")}
    navigation = yaml.safe_load((REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    assert set(re.findall(r"[\w/]+\.md", str(navigation))) == written
    assert "zootwins.sparsifiers" in (tmp_path / "pages/reference/api/sparsifiers.md").read_text(encoding="utf-8")
    assert "<!-- file:" not in "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "pages").rglob("*.md"))


def test_the_page_without_snakemake_sparsifies_a_zoo_and_own_networks(monkeypatch):
    text = (REPOSITORY / "docs/without_snakemake.md").read_text(encoding="utf-8")
    monkeypatch.chdir(REPOSITORY)
    names = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, names)
    assert names["accuracy"].shape == (16, 3, 4)
    assert names["originals"].models != names["zoo"].originals.models
    for twins, of in ((names["twins"], names["zoo"].originals), (names["own_twins"], names["originals"])):
        for name in ("conv1.weight", "fc2.bias"):  # before fine-tuning, the control is the original
            assert torch.equal(twins.tensors[name][:, 0, 0], of.parameters[name])
        kept = torch.cat([twins.tensors[f"mask.{name}"][:, 2].flatten(1) for name in of.architecture.weight_names], 1)
        assert kept.sum(1).tolist() == [round(0.2 * kept.shape[1])] * len(of)


def test_concepts_and_own_networks_list_the_registries():
    concepts, networks = ((REPOSITORY / f"docs/{page}.md").read_text("utf-8") for page in ("concepts", "own_network"))
    assert all(f"| `{method}` |" in concepts for method in SPARSIFIERS)
    assert all(f"`{architecture}`" in networks for architecture in ARCHITECTURES)


def test_contributing_lists_the_layers_of_the_package_from_top_to_bottom():
    contract = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"][0]
    listed = (REPOSITORY / "CONTRIBUTING.md").read_text("utf-8").partition("| layer |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", listed, re.M) == contract["layers"]


def test_the_version_is_the_same_everywhere():
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    changes = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    assert citation["version"] == version
    assert re.search(r"^## (\S+) \((\S+)\)", changes, re.M).groups() == (version, str(citation["date-released"]))


def test_the_readme_fits_on_a_page_and_has_the_two_commands_that_ci_runs():
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120
    blocks = re.findall(r"^```bash\n(.*?)```", text, re.M | re.S)
    assert [block.split()[-1] for block in blocks] == ["results/tables/table2.csv", "pytest"]
    for link in re.findall(r"\]\(([^)#]+)", text):
        assert "://" in link or (REPOSITORY / link).exists(), link
