"""docs/reference lists the targets, files and columns that a run makes, and code of the pages runs on it."""

import re
from pathlib import Path

import pandas as pd
import pytest

from projects import REPOSITORY
from zootwins.catalogue.experiments import experiments

pytestmark = pytest.mark.workflow

REFERENCE = REPOSITORY / "docs/reference"
ELSEWHERE = {  # not part of `all`
    result.name
    for experiment in experiments()
    if not experiment.in_all
    for result in (*experiment.tables, *experiment.figures)
}


def words(file: str) -> set[str]:
    """What stands as code in a file of the reference, comma-separated alternatives apart."""
    return set(
        re.findall(r"[\w./{}]+", " ".join(re.findall(r"`([^`]+)`", (REFERENCE / file).read_text(encoding="utf-8"))))
    )


@pytest.mark.parametrize(("folder", "suffix"), [("tables", "csv"), ("figures", "svg")])
def test_every_table_and_figure_is_listed(finished, folder, suffix):
    text = (REFERENCE / "targets.md").read_text(encoding="utf-8")
    listed = set(re.findall(rf"`{folder}/(\w+)\.{suffix}`", text))
    assert listed - ELSEWHERE == {path.stem for path in (finished.root / "results" / folder).glob(f"*.{suffix}")}


@pytest.mark.parametrize("page", ["README.md", "docs/own_code.md", "docs/recipes.md"])
def test_code_of_the_pages_runs(finished, monkeypatch, page):
    text = (
        (REPOSITORY / page).read_text(encoding="utf-8").replace("0000-0015", "0000-0001")
    )  # as many models a shard as the run's
    monkeypatch.chdir(finished.root)
    names = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, names)
    if page == "docs/recipes.md":
        assert names["curves"].shape == (3, 3 * 3)  # epochs; models and ratios
        assert Path("my_zoo.zip").exists()
        return
    assert (names["networks"]["fc1.weight"] == 0).any()
    if "vectors" in names:
        assert names["vectors"].shape == (2, 3, 2464)


def columns(path: Path) -> list[str]:
    return list((pd.read_csv if path.suffix == ".csv" else pd.read_parquet)(path).columns)


def test_every_column_is_explained(finished):
    results, explained = finished.root / "results", words("files.md")
    files = [*results.glob("tables/*.csv"), *results.glob("zoos/*/models.csv"), *results.glob("metrics/**/*.parquet")]
    assert len(files) > 20
    for path in files:
        for column in columns(path):
            # what the page says of all tables: intervals, deviations and p-values; of the paper's, both methods alike
            stem = re.sub(r"_(low|high|std|p|median|lower_quartile|upper_quartile)$", "", column)
            known = {column, stem, f"{stem}_mean", f"{stem}_r2", re.sub("^vd_", "mp_", stem)}
            known |= {re.sub("^vd_", "mp_", f"{stem}_mean")}
            assert known & explained or re.fullmatch(r"\w+\.(weight|bias)\.\w+", column), f"{path}: {column}"
