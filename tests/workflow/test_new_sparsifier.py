"""A new method is a module, a line of the registry and a section of the configuration; the rest follows."""

import json
import re
import zipfile

import pandas as pd
import pytest

from zootwins.storage.shards import read_shard

pytestmark = pytest.mark.workflow

MODULE = '''"""Every other weight of each layer goes, whatever its size; a strength of 2 lets every third stay."""

import torch

from zootwins.population import Population
from zootwins.population.trajectory import Plan
from zootwins.sparsifiers import base
from zootwins.sparsifiers.base import Axis, Point, Sparsifier, SweepParameter, repeated, twin_keys


class Settings(base.Settings):
    strengths: tuple[int, ...]


class ToyPruning(Sparsifier):
    id = "toy_1"
    title = "Toy pruning"
    short = "Toy"
    colour = "#CC79A7"
    section = "toy_pruning"
    sweep = SweepParameter("strength", "Strength", "strength {:g}")
    Settings = Settings

    def axes(self, settings):
        return (Axis("strength", tuple(map(float, settings.strengths))),)

    def curve(self, settings):
        return [Point(strength, settings.epochs, {"strength": strength}) for strength in settings.strengths]

    def default_point(self, settings):
        return settings.strengths[-1]

    def population(self, inputs, settings):
        twins, originals = len(settings.strengths), inputs.originals
        population = Population(
            originals.architecture,
            repeated(originals.factors, twins, settings.lr),
            torch.tensor(twin_keys(self.id, inputs, self.axes(settings))),
            {name: tensor.repeat_interleave(twins, dim=0) for name, tensor in originals.parameters.items()},
        )
        stride = torch.tensor(settings.strengths).repeat(len(originals)) + 1
        masks = {}
        for name in originals.architecture.weight_names:
            flat = population.parameters[name].flatten(1)
            kept = torch.arange(flat.shape[1])[None] % stride[:, None] == 0
            masks[name] = kept.view_as(population.parameters[name])
        population.set_masks(masks)
        return population

    def plan(self, inputs, settings):
        return Plan(settings.epochs, prediction_states=(0, settings.epochs))
'''
LINE = '    "toy_1": "zootwins.sparsifiers.toy_pruning:ToyPruning",\n'
SECTION = "toy_pruning:\n  strengths: [1, 2]\n  epochs: 2\n"
ZOO = "fmnist_mini_seed"


@pytest.fixture(scope="module")
def toy(copied):
    """A finished run of a copy of the project that has one more method; nothing but these three places differs."""
    source = copied.root / "src/zootwins/sparsifiers"
    (source / "toy_pruning.py").write_text(MODULE, encoding="utf-8")
    registry = (source / "registry.py").read_text(encoding="utf-8")
    (source / "registry.py").write_text(registry.replace("REGISTRY = {\n", "REGISTRY = {\n" + LINE), encoding="utf-8")
    with (copied.root / "config.yaml").open("a", encoding="utf-8") as file:
        file.write(SECTION)
    copied.configure(zoos=[ZOO], twins={"toy_1": {"sparsifier": "toy_pruning"}})
    copied.run("all", f"results/exports/{ZOO}/toy_1.zip", f"results/models/{ZOO}/toy_1/0001.safetensors")
    copied.run("verify")
    return copied


def test_its_twins_are_shards_with_its_axes(toy):
    shard = read_shard(toy.root / f"results/twins/{ZOO}/toy_1/0000-0001.safetensors")
    assert [(axis.name, axis.values) for axis in shard.axes] == [("strength", (1.0, 2.0))]
    assert shard.tensor("fc1.weight").shape == (2, 2, 3, 20, 36)
    cut = read_shard(toy.root / f"results/models/{ZOO}/toy_1/0001.safetensors")
    assert cut.models == shard.models[1:]
    with zipfile.ZipFile(toy.root / f"results/exports/{ZOO}/toy_1.zip") as archive:
        assert len({name.split("/")[1] for name in archive.namelist() if "NN_tune" in name}) == 3 * 2
    checked = pd.read_csv(toy.root / "results/verification.csv").query("status != 'not made'")
    assert checked.file.str.contains("/toy_1/").any()
    assert (checked.status == "ok").all()


def test_its_long_tables_have_a_column_an_axis(toy):
    scores = pd.read_parquet(toy.root / f"results/metrics/{ZOO}/toy_1/scores.parquet")
    assert scores.columns[:5].tolist() == ["model", "index", "strength", "epoch", "point"]
    final = scores[scores.point.notna()].groupby("point").sparsity.mean()
    assert final[1] == pytest.approx(1 / 2, abs=0.01)
    assert final[2] == pytest.approx(2 / 3, abs=0.01)


def test_every_analysis_has_it(toy):
    tables = toy.root / "results/tables"
    shared = ("compression", "predictability", "rank_changes", "findings")
    for name in (*shared, "sparsity_tradeoff", "layer_distribution", "equal_sparsity_comparison", "method_ranks"):
        table = pd.read_csv(tables / f"{name}.csv")
        assert "toy_1" in {*table.method, *table.get("against", [])}, name
    paired = pd.read_csv(tables / "method_difference.csv")
    assert {("mp", "toy_1"), ("vd", "toy_1")} <= set(zip(paired.method, paired.against, strict=True))
    findings = pd.read_csv(tables / "findings.csv").finding
    assert findings.str.contains("MP beats Toy").any()
    overlaps = pd.read_parquet(toy.root / f"results/metrics/{ZOO}/mask_overlap.parquet")
    assert ("mp", "toy_1") in set(zip(overlaps.method, overlaps.against, strict=True))
    for figure in ("figure5", "rank_change", "compression", "sparsity_tradeoff", "layer_distribution"):
        assert "Toy" in drawn_text(toy.root / f"results/figures/{figure}.svg"), figure
    methods = json.loads(
        re.search(r"const data = (.*);", (toy.root / "results/explorer.html").read_text(encoding="utf-8"))[1]
    )[ZOO]["methods"]
    assert methods["toy_1"]["title"] == "Toy pruning"
    assert methods["toy_1"]["texts"] == ["strength 1", "strength 2"]


def test_the_papers_columns_stay_first_in_its_tables(toy):
    """What other methods have comes after them."""
    columns = pd.read_csv(toy.root / "results/tables/table1.csv").columns
    paper = pd.read_csv(toy.root / "resources/paper/table1.csv").columns
    assert list(columns[: len(paper)]) == list(paper)
    assert "toy_1_accuracy_mean" in columns[len(paper) :]


def test_its_rule_has_its_name(toy):
    (toy.root / f"results/twins/{ZOO}/toy_1/0000-0001.safetensors").unlink()
    assert toy.planned(f"results/twins/{ZOO}/toy_1/0000-0001.safetensors") == {"toy_pruning": 1}


def drawn_text(path):
    """What is written in a figure: matplotlib keeps it as comments beside the glyphs' paths."""
    return " ".join(re.findall(r"<!-- (.*?) -->", path.read_text(encoding="utf-8")))
