"""A new experiment is a module, a line of the registry, a section and the rule of its long table; the rest follows."""

import re

import pandas as pd
import pytest

pytestmark = pytest.mark.workflow

ZOO = "fmnist_mini_seed"
DECLARED = '''"""The spread of twins' accuracies."""

from zootwins.catalogue.experiments.base import Drawing, Experiment, Table
from zootwins.run.settings import Section


class Settings(Section):
    """Toy: the spread of accuracies."""

    times: float


class Toy(Experiment):
    id = "toy"
    title = "the spread of accuracies"
    settings = Settings
    long_tables = ("toy",)
    tables = (
        Table(
            name="toy_spread",
            module="zootwins.experiments.toy",
            maker="table",
            arranger="arrange",
            sources=("toy",),
            title="Spread",
            note="Points.",
            label="toy: spread",
        ),
    )
    figures = (Drawing(name="toy_drawn", drawn_by="toy", sources=("toy",), label="toy: drawn"),)

    def times(self, run):
        return run.config.toy.times
'''
COMPUTED = '''"""The spread of accuracies."""

import pandas as pd


def table(zoos):
    return pd.concat([results.tables["toy"].assign(zoo=results.zoo.id) for results in zoos])


def arrange(table):
    return table.set_index(pd.Index(table["zoo"], name="Zoo"))[["spread"]].astype(str)
'''
DRAWN = '''"""The spread of accuracies."""

from zootwins.reporting.figures import message


def toy(zoos):
    return message(f"spread of {len(zoos)} zoos")
'''
RULE = """TOY = get_experiment("toy")


rule collect_toy:
    input:
        scores=ask(FILES.scores),
    output:
        "results/metrics/{zoo}/toy.parquet",
    log:
        "results/logs/collect_toy/{zoo}.log",
    params:
        times=ask(TOY.times),
        code=code_of("collect_toy"),
    script:
        "../workflow/scripts/collect_toy.py"
"""
SCRIPT = """import pandas as pd

from zootwins.run.job import job, provenance
from zootwins.storage.frames import read_parquet, write_parquet

with job(snakemake):
    scores = pd.concat(map(read_parquet, snakemake.input.scores))
    spread = snakemake.params.times * scores.groupby("index")["test_accuracy"].std()
    write_parquet(spread.rename("spread").reset_index(), snakemake.output[0], provenance(snakemake))
"""
LINE = '    "toy": "zootwins.catalogue.experiments.toy:Toy",\n'
SECTION = "toy:\n  times: 100\n"


@pytest.fixture(scope="module")
def toy(copied):
    """A copy of the project that has one more experiment, and a finished run of its target."""
    package = copied.root / "src/zootwins"
    for path, content in (
        (package / "catalogue/experiments/toy.py", DECLARED),
        (package / "experiments/toy.py", COMPUTED),
        (package / "reporting/figures/toy.py", DRAWN),
        (copied.root / "rules/toy.smk", RULE),
        (copied.root / "workflow/scripts/collect_toy.py", SCRIPT),
    ):
        path.write_text(content, encoding="utf-8")
    for path, before, after in (
        (package / "catalogue/experiments/__init__.py", "REGISTRY = {\n", "REGISTRY = {\n" + LINE),
        (copied.root / "config.yaml", "engine:", SECTION + "engine:"),
        (
            copied.root / "Snakefile",
            'include: "rules/soups.smk"\n',
            'include: "rules/toy.smk"\ninclude: "rules/soups.smk"\n',
        ),
    ):
        text = path.read_text(encoding="utf-8")
        assert before in text
        path.write_text(text.replace(before, after, 1), encoding="utf-8")
    copied.configure(zoos=[ZOO])
    copied.run("toy")
    return copied


def test_its_target_makes_its_table_and_its_figure(toy):
    table = pd.read_csv(toy.root / "results/tables/toy_spread.csv")
    assert table["zoo"].tolist() == 3 * [ZOO]
    assert (table["spread"] > 0).all()
    assert "spread of 1 zoos" in " ".join(
        re.findall("<!-- (.*?) -->", (toy.root / "results/figures/toy_drawn.svg").read_text(encoding="utf-8"))
    )


def test_verify_reads_its_files(toy):
    (toy.root / f"results/metrics/{ZOO}/toy.parquet").write_bytes(b"x")
    toy.run("verify", succeeds=False)
    report = pd.read_csv(toy.root / "results/verification.csv").set_index("file")["status"]
    assert report[f"results/metrics/{ZOO}/toy.parquet"] == "damaged"
    assert report["results/tables/toy_spread.csv"] == "ok"
    toy.run("toy", "--forcerun", "collect_toy")


def test_its_section_is_a_part_of_the_configuration(toy):
    toy.configure(zoos=[ZOO], toy={"tims": 2})
    assert "toy.times" in toy.run("-n", "toy", succeeds=False) or "did you mean times" in toy.run(
        "-n", "toy", succeeds=False
    )
    toy.configure(zoos=[ZOO], toy={"times": 1})
    assert toy.planned("toy") == {"collect_toy": 1, "make_table": 1, "make_figure": 1, "toy": 1}


def test_nothing_of_it_is_a_part_of_all(toy):
    toy.configure(zoos=[ZOO])
    assert "collect_toy" not in toy.planned("all")
