"""Every figure of every experiment with twenty methods of the longest names: its texts are on the canvas, and apart."""

import warnings
from dataclasses import replace
from itertools import combinations
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from synthetic import SETTINGS_OF, draw
from test_figures import drawable_results
from test_paper_comparison import MODELS, PAPER, as_ours
from test_representation_figures import TITLES, representation_tables
from test_scratch import retraining_results
from zootwins.analyses import intervals
from zootwins.catalogue.documents import LONGEST_NAME, LONGEST_SHORT, LONGEST_TITLE, LONGEST_ZOO
from zootwins.catalogue.experiments import figures, tables
from zootwins.reporting.figures.layout import text_width
from zootwins.reporting.figures.looks import look_of
from zootwins.sparsifiers.registry import REGISTRY, name_twins

pytestmark = pytest.mark.workflow  # half a minute
METHODS = 20
SHARED = 1.0  # pixels that the boxes of two texts may share at 100 dpi, since they are rounded up
LONG_TITLES = {zoo: f"{zoo} zoo {'of small networks trained on Fashion-MNIST ' * 3}"[:LONGEST_TITLE] for zoo in TITLES}
OF_ZOOS = [name for name, figure in figures().items() if figure.reader == "zootwins.analyses.results:read_results"]
OF_REPRESENTATIONS = [name for name, figure in figures().items() if figure.drawn_by.startswith("representations")]
OF_TABLES = sorted({*figures()} - {*OF_ZOOS} - {*OF_REPRESENTATIONS})


def long_names(sparsifier: str, count: int) -> dict[str, dict[str, str]]:
    """Named twins whose names cannot be longer; every other one cannot be broken at a space."""
    names = [f"{sparsifier[0]}{n:02d}_with_a_name_that_is_as_long_as_can_be"[:LONGEST_NAME] for n in range(count)]
    shorts = [f"{name if number % 2 else name.replace('_', ' ')} {'W' * 99}" for number, name in enumerate(names)]
    return {
        name: {"sparsifier": sparsifier, "short": short[:LONGEST_SHORT]}
        for name, short in zip(names, shorts, strict=True)
    }


PRUNED, RETRAINED = long_names("magnitude_pruning", METHODS - 2), long_names("scratch", METHODS - 3)


def of_methods(table: pd.DataFrame) -> pd.DataFrame:
    """A table of the run with rows for all methods, or for every two, of both zoos."""
    table = table[~table["method"].isin(RETRAINED)]
    if "against" in table and "point" not in table:
        (first, *_) = (part for _, part in table.groupby(["method", "against"], sort=False))
        pairs = combinations(("mp", "vd", *PRUNED), 2)
        parts = [first.assign(method=one, against=other) for one, other in pairs]
        parts += [part for (_, other), part in table.groupby(["method", "against"]) if other == "original"]
    else:
        parts = [table, *(table[table["method"] == "mp"].assign(method=name) for name in PRUNED)]
    first, second = LONG_TITLES
    parts = [*(part.assign(zoo=first) for part in parts), table.assign(zoo=second)]
    return pd.concat(parts, ignore_index=True)


def more_of(table: pd.DataFrame, method: str, names: list[str]) -> pd.DataFrame:
    """A table whose rows of a method are there again for others."""
    rows = table[table["method"] == method]
    return pd.concat([table, *(rows.assign(method=name) for name in names)], ignore_index=True)


@pytest.fixture(scope="module", autouse=True)
def few_resamples():
    with pytest.MonkeyPatch.context() as context:
        context.setattr(intervals, "RESAMPLES", 9)  # the intervals are not looked at
        yield


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """A zoo of mp and vd."""
    return drawable_results(tmp_path_factory.mktemp("twins"))


@pytest.fixture(scope="module")
def zoos(few):
    """A zoo of mp, vd and named twins of mp, twenty in all; and one of mp and vd."""
    results, twins = few, PRUNED
    rng = np.random.default_rng(0)
    tables = dict(results.tables)
    for name in twins:
        worse = rng.uniform(0, 0.2)
        for kind in ("scores", "layers", "agreement", "response"):
            table = results.tables[f"mp/{kind}"]
            if "test_accuracy" in table:
                table = table.assign(test_accuracy=table["test_accuracy"] - worse * table["sparsity"])
            tables[f"{name}/{kind}"] = table
    tables["transfer"] = more_of(tables["transfer"], "mp", list(twins))
    settings = SETTINGS_OF | dict.fromkeys(twins, SETTINGS_OF["mp"])
    points = {name: {"mp": 80, "vd": 5} | dict.fromkeys(twins, 80) for name in ("agreement", "correlation")}
    zoo = replace(results.zoo, methods=settings, points=points)
    first, second = LONG_TITLES.items()
    made = [
        replace(results, tables=tables, zoo=replace(zoo, id=first[0], title=first[1])),
        replace(results, zoo=replace(results.zoo, id=second[0], title=second[1])),
    ]
    name_twins(PRUNED | RETRAINED)
    yield made
    name_twins({})


def retrained_zoos() -> list:
    """A zoo of twenty methods that retrain masks, and those whose masks they are."""
    results = retraining_results()
    tables = results.tables | {f"{name}/scores": results.tables["scratch/scores"] for name in RETRAINED}
    settings = results.zoo.methods | dict.fromkeys(RETRAINED, results.zoo.methods["scratch"])
    (name, title), _ = LONG_TITLES.items()
    return [replace(results, tables=tables, zoo=replace(results.zoo, id=name, title=title, methods=settings))]


def lines_of(text: Text, box: Bbox) -> list[tuple[str, Bbox]]:
    """The lines of a text with their boxes in pixels; those of upright texts as one."""
    lines = text.get_text().split("\n")
    if len(lines) == 1 or text.get_rotation():
        return [(text.get_text(), box)]
    found = []
    for number, line in enumerate(lines, 1):
        width = text_width(line, text.get_fontsize(), text.get_fontweight()) * text.figure.dpi
        width = min(width, box.width)  # hinted glyphs are narrower
        left = {"left": box.x0, "right": box.x1 - width, "center": (box.x0 + box.x1 - width) / 2}[text.get_ha()]
        bottom = box.y1 - box.height * number / len(lines)
        found.append((line, Bbox.from_bounds(left, bottom, width, box.height / len(lines))))
    return found


def drawn_texts(figure) -> list[tuple[str, Bbox]]:
    """The lines of text that are drawn, with their boxes in pixels."""
    found = []
    draw = Text.draw

    def remember(text, renderer):
        if text.get_visible() and text.get_text().strip():
            found.extend(lines_of(text, text.get_window_extent(renderer)))
        draw(text, renderer)

    with patch.object(Text, "draw", remember):
        figure.draw_without_rendering()
    return found


def check(figure) -> None:
    """All texts of a figure are on its canvas, and no two of them overlap."""
    figure.set_dpi(100)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # that the layout engine gave up
        texts = drawn_texts(figure)
    assert texts
    outside = [
        text
        for text, box in texts
        if box.x0 < -SHARED or box.y0 < -SHARED or box.x1 > figure.bbox.x1 + SHARED or box.y1 > figure.bbox.y1 + SHARED
    ]
    assert not outside, outside
    overlapping = [
        (one, other)
        for (one, box), (other, against) in combinations(texts, 2)
        if min(box.x1, against.x1) - max(box.x0, against.x0) > SHARED
        and min(box.y1, against.y1) - max(box.y0, against.y0) > SHARED
    ]
    assert not overlapping, overlapping[:5]


@pytest.mark.parametrize("name", OF_ZOOS)
def test_a_figure_of_zoos(few, zoos, name):
    if name == "scratch_comparison":
        check(draw(name, retrained_zoos()))
        return
    sources = [source.removeprefix("tables/") for source in figures()[name].sources if source.startswith("tables/")]
    check(figures()[name].draw(zoos, *(of_methods(tables()[table].make([few])) for table in sources)))


@pytest.mark.parametrize("name", OF_REPRESENTATIONS)
def test_a_figure_of_representations(name):
    check(figures()[name].draw(representation_tables()[name], LONG_TITLES))


def test_the_comparison_with_the_paper():
    ours, counterparts = {}, {}
    for zoo in ("fmnist_s_seed", "mnist_s_seed"):
        long = f"{zoo}_{'z' * 99}"[:LONGEST_ZOO]
        counterparts[long] = zoo
        for name, table in PAPER.items():
            part = as_ours(table[table["zoo"] == zoo].assign(zoo=long), 1.0)
            ours[name] = pd.concat([ours.get(name), part])
    check(figures()["paper_comparison"].draw(ours, PAPER, counterparts, MODELS))


def test_no_other_figure_is_left():
    assert OF_TABLES == ["paper_comparison"]


def test_methods_look_alike_nowhere():
    name_twins(long_names("snip", 60))
    methods = [*REGISTRY, *long_names("snip", 60)]
    looks = [(look_of(method).colour, look_of(method).marker) for method in methods]
    assert len(set(looks)) == len(looks)
    name_twins(long_names("snip", 61))
    assert [(look_of(method).colour, look_of(method).marker) for method in methods] == looks
    name_twins({})
