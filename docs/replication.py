"""The replication page's tables, figures and numbers, from the long tables under data/replication/.

    python docs/replication.py            makes all of them anew; no run is needed
    python docs/replication.py --check    compares them with what is there, and fails where they differ
    python docs/replication.py --keep results   first keeps the long tables of the zoos of a run (target `replication`)

Tables go into docs/replication/ as CSV. Their rows of zoos that are not kept, whose long tables are lost, stay as they
are; the page marks these zoos. Then all that the page has between `<!-- made: … -->` and `<!-- end -->`, and between
`<!-- n: … -->` and `<!-- -->`, is made anew (`replication_blocks`).
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from kept_tables import ROOT, KeptRun
from made_pages import made_anew
from replication_blocks import OFFICIAL, Blocks, Numbers

from zootwins.catalogue.entries import load_run
from zootwins.images.datasets import load_stored
from zootwins.reporting.figures import save
from zootwins.reporting.figures.layer_std import layer_std
from zootwins.reporting.figures.paper_comparison import paper_comparison
from zootwins.reporting.figures.rank_stability import draw_rank_stability
from zootwins.zoos.originals import read_predictions

PAGE, DATA, KEPT = ROOT / "docs/replication.md", ROOT / "docs/replication", ROOT / "data/replication"
LONG_TABLES = ("*/scores", "*/layers", "*/agreement", "*/response", "weight_statistics", "history", "hypotheses")
RUN = KeptRun(ROOT / "config/replication.yaml", KEPT, LONG_TABLES)
TABLES = ("paper_comparison", "paper_agreement", "hypotheses", "findings", "rank_stability", "predictability")
OF_ZOO = ("cost", "retest", "test_parts")  # kept beside the long tables, where a zoo has them
STEPS = {"train_zoo/{zoo}": "training", "sparsify/{zoo}/mp": "MP", "sparsify/{zoo}/vd": "VD"}
NOT_REBUILT = " †"  # marks zoos whose long tables are lost
HELD_OUT, MARK = "cifar10_held_out", " ‡"  # data sets whose test images are not the official ones, and their zoos' mark
CLOSE = 1e-4  # relative, of numbers with six digits that two processors make


def keep_run(results: Path) -> None:
    """Keep the long tables of the zoos of a run that are complete, and what the page says beside them."""
    configuration = RUN.whole()
    found = [zoo for zoo in configuration["zoos"] if (results / f"metrics/{zoo}/hypotheses.parquet").exists()]
    catalogue = load_run(configuration, ROOT).catalogue
    for zoo, models in RUN.keep(results, found).items():
        costs(results, zoo).to_csv(KEPT / zoo / "cost.csv", index=False, float_format="%.6g")
        if catalogue[zoo].dataset.startswith(HELD_OUT):
            parts = _test_parts(results / f"zoos/{zoo}").assign(zoo=zoo)
            parts.to_csv(KEPT / zoo / "test_parts.csv", index=False, float_format="%.6g")
        print(f"{zoo}: {models} models")


def costs(results: Path, zoo: str) -> pd.DataFrame:
    """Hours that each step of a zoo took, from Snakemake's benchmarks of its shards."""
    rows = []
    for place, step in STEPS.items():
        jobs = [pd.read_csv(file, sep="\t") for file in (results / "benchmarks" / place.format(zoo=zoo)).glob("*.tsv")]
        if jobs:
            took = pd.concat(jobs)
            hours = {"hours": took["s"].sum() / 3600, "processor_hours": took["cpu_time"].sum() / 3600}
            rows.append({"zoo": zoo, "step": step, "shards": len(took), **hours})
    return pd.DataFrame(rows, columns=["zoo", "step", "shards", "hours", "processor_hours"])


def _test_parts(zoo: Path) -> pd.DataFrame:
    """Accuracy of each original on CIFAR-10's official test images, and on the held-out training images."""
    index, predictions = (tensor.numpy() for tensor in read_predictions(zoo / "predictions.safetensors"))
    right = predictions == load_stored(zoo / "dataset.safetensors").labels["test"].numpy()
    parts = {"official": right[:, :OFFICIAL].mean(axis=1), "held_out": right[:, OFFICIAL:].mean(axis=1)}
    return pd.DataFrame({"index": index, **parts})


def remade_tables(names: tuple[str, ...] = TABLES) -> dict[str, pd.DataFrame]:
    """The tables of the page: the kept zoos' made of their long tables, the others' as docs/replication/ has them."""
    kept = RUN.tables()
    zoos = list(kept.models)
    made = kept.make(names) if zoos else {name: pd.DataFrame({"zoo": []}) for name in names}
    for name in OF_ZOO:
        parts = [pd.read_csv(file) for zoo in zoos if (file := KEPT / zoo / f"{name}.csv").exists()]
        made[name] = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"zoo": []})
    order = {zoo: place for place, zoo in enumerate(RUN.whole()["zoos"])}
    tables = {}
    for name, table in made.items():
        path = DATA / f"{name}.csv"
        stored = pd.read_csv(path) if path.exists() else table.iloc[:0]
        parts = [part for part in (stored[~stored["zoo"].isin(zoos)], table) if not part.empty]
        joined = pd.concat(parts or [table], ignore_index=True)
        tables[name] = joined.sort_values("zoo", key=lambda column: column.map(order), kind="stable")
    return tables


def titles_of_zoos() -> dict[str, str]:
    """The zoos' titles by their ids, without what all here share; lost tables and other test images are marked."""
    kept, titles = RUN.tables().models, {}
    for zoo, entry in load_run(RUN.whole(), ROOT).catalogue.items():
        held_out = entry.dataset.startswith(HELD_OUT)
        titles[zoo] = entry.title.replace(", trained here", "") + NOT_REBUILT * (zoo not in kept) + MARK * held_out
    return titles


def with_numbers(text: str, tables: dict[str, pd.DataFrame]) -> str:
    """The page's text, everything that is made put in anew."""
    blocks, numbers = Blocks(tables, titles_of_zoos()), Numbers(tables)

    def number(asked: str) -> str:
        name, *arguments = asked.split("; ")
        return getattr(numbers, name)(*arguments)

    return made_anew(text, lambda name: getattr(blocks, name)(), number)


def write(folder: Path) -> dict[str, pd.DataFrame]:
    """Write the tables and figures into a folder; returns the tables as they are read from there."""
    for name, table in remade_tables().items():
        table.to_csv(folder / f"{name}.csv", index=False, float_format="%.6g")
    tables = {name: pd.read_csv(folder / f"{name}.csv") for name in (*TABLES, *OF_ZOO)}
    titles = titles_of_zoos()
    compared = tables["paper_comparison"].assign(zoo=lambda table: table["zoo"].map(titles))
    save(paper_comparison(compared), [folder / "paper_comparison.svg"], {})
    save(layer_std(tables["hypotheses"]), [folder / "layer_std.svg"], {})
    save(draw_rank_stability(tables["rank_stability"], titles), [folder / "rank_stability.svg"], {})
    return tables


def differences() -> Iterator[str]:
    """What is not as the long tables make it, a line each."""
    with TemporaryDirectory() as folder:
        made = write(Path(folder))
    for name, table in made.items():
        stored = pd.read_csv(DATA / f"{name}.csv")
        try:
            pd.testing.assert_frame_equal(stored, table, rtol=CLOSE, atol=CLOSE, check_dtype=False)
        except AssertionError as error:
            yield f"docs/replication/{name}.csv: {' '.join(str(error).split())[:200]}"
    text = PAGE.read_text(encoding="utf-8")
    if with_numbers(text, made) != text:
        yield "docs/replication.md: has other numbers"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--keep", type=Path, metavar="RESULTS", help="keep the long tables of a run's zoos")
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    arguments = parser.parse_args()
    if arguments.keep:
        keep_run(arguments.keep)
    if arguments.check:
        found = list(differences())
        sys.exit("\n".join([*found, "run python docs/replication.py"]) if found else 0)
    tables = write(DATA)
    PAGE.write_text(with_numbers(PAGE.read_text(encoding="utf-8"), tables), encoding="utf-8")


if __name__ == "__main__":
    main()
