"""What the documentation says is so: the tables of keys, the example of a sparsifier, the links of its pages."""

import importlib.util
import re
import sys
from types import ModuleType

import pytest
import torch
import yaml

from projects import REPOSITORY
from zootwins.architectures.architecture import get_architecture
from zootwins.population import Factors
from zootwins.population.trajectory import Plan
from zootwins.sparsifiers.base import SparsifierInputs
from zootwins.zoos.originals import Originals


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
    assert re.findall("#### `(.*)`", text) == ["part", "zoos.{name}"]


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


@pytest.fixture
def documented(monkeypatch) -> ModuleType:
    """The module that docs/own_sparsifier.md shows."""
    text = (REPOSITORY / "docs/own_sparsifier.md").read_text(encoding="utf-8")
    module = ModuleType("coin_pruning")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(re.search(r"```python\n(.*?)```", text, re.DOTALL)[1], vars(module))
    return module


def originals(*names: str) -> Originals:
    architecture = get_architecture("cnn_s", 1)
    factors = Factors(0, "tanh", "uniform", "adam", 1e-3, 0.0, 0.0, 0.0, 10)
    parameters = {name: torch.ones(len(names), *shape) for name, shape in architecture.parameter_shapes.items()}
    return Originals(architecture, names, range(len(names)), [factors] * len(names), parameters)


def test_the_documented_sparsifier_prunes_each_twin_by_its_own_key(documented):
    method = documented.CoinPruning()
    settings = method.Settings(epochs=1, sparsities=(50, 90))
    twins = method.population(SparsifierInputs("zoo", originals("a", "b")), settings)
    masks = torch.cat([mask.flatten(1) for mask in twins.masks.values()], dim=1).double()
    assert masks.mean(1).numpy() == pytest.approx([0.5, 0.1, 0.5, 0.1], abs=0.04)
    assert all((twins.parameters[name][~mask] == 0).all() for name, mask in twins.masks.items())
    alone = method.population(SparsifierInputs("zoo", originals("b")), settings)
    assert torch.equal(alone.masks["fc1.weight"], twins.masks["fc1.weight"][2:])
    assert isinstance(method.plan(SparsifierInputs("zoo", originals("a")), settings), Plan)
    assert method.point(settings, method.default_point(settings)).at == {"ratio": 0.9}
