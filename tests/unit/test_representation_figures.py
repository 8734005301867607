"""Figures of hyper-representations, of made-up results."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from zootwins.experiments.representations import ALL_EPOCHS, METHODS, OWN, TARGETS
from zootwins.experiments.representations.zero_shot_tables import PREDICTORS as SOURCES
from zootwins.reporting.figures import representations as figures
from zootwins.reporting.figures.representations import SIZED

LAYERS = ("conv1", "conv2", "conv3", "fc1", "fc2")

TITLES = {"first": "First zoo", "second": "Second zoo"}


def representation_tables() -> dict[str, pd.DataFrame]:
    """What each figure is drawn of."""
    rng = np.random.default_rng(0)
    scores, states, twins, decisions = [], [], [], []
    for zoo in TITLES:
        for seed in (0, 1):
            identity = {"zoo": zoo, "seed": seed}
            for quantity in ("weights", "alphas"):
                layers = (*LAYERS, "all")
                own = identity | {"quantity": quantity, "predictor": "representation", "r2": 0.5}
                scores += [own | {"layer": layer} for layer in layers]
                scores += [own | {"layer": layer, "predictor": "pca", "r2": 0.3} for layer in layers]
            probe = identity | {"layer": "all", "predictor": "representation", "r2": 0.9}
            scores += [probe | {"quantity": target} for target in TARGETS]
            scores += [probe | {"quantity": target, "predictor": "epoch", "r2": -3.0} for target in TARGETS]
            for index in range(10):
                split = "test" if index > 7 else "train"
                numbers = dict(zip((*TARGETS, "component1", "component2"), rng.random(6), strict=True))
                predicted = {f"predicted_{t}": numbers[t] if split == "test" else np.nan for t in TARGETS}
                shares = {"explained1": 0.5, "explained2": 0.2}
                states.append(identity | numbers | predicted | shares | {"index": index, "split": split})
                model = identity | {"learned_on": "first", "index": index}
                for method in METHODS:
                    for epochs, at in product((0, 1), ("50", "90", OWN)):
                        row = {"method": method, "epochs": epochs, "at": at, "accuracy": rng.random()}
                        sparsity = 0.8 if at == OWN else int(at) / 100
                        twins.append(model | row | {"sparsity": sparsity, "agreement": 0.5})
                for predictor, layer in product(SOURCES, (*LAYERS, "all")):
                    row = {"predictor": predictor, "layer": layer, "model": f"NN_{index}", "auc": rng.random()}
                    decisions.append(model | row)
    sizes = [
        {"zoo": zoo, "seed": seed, "predictor": predictor, "epoch": epoch, "numbers": numbers, "r2": rng.random()}
        for zoo, seed, predictor, epoch, numbers in product(TITLES, (0, 1), SIZED, (ALL_EPOCHS, 0, 12, 25), (8, 16, 32))
    ]
    parts = {"scores": scores, "states": states, "twins": twins, "decisions": decisions, "sizes": sizes}
    frames = {name: pd.DataFrame(rows) for name, rows in parts.items()}
    return {
        "latent_space": frames["states"],
        "reconstruction": frames["scores"],
        "property_prediction": frames["states"],
        "representation_baselines": frames["scores"],
        "prune_decisions": frames["decisions"],
        "latent_size": frames["sizes"],
        "zero_shot": frames["twins"],
    }


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return representation_tables()


def test_latent_space_shows_the_first_seed_of_every_zoo(tables):
    figure = figures.latent_space(tables["latent_space"], TITLES)
    panels = [axes for axes in figure.axes if axes.collections and axes.get_xlabel().startswith("Component 1")]
    assert len(panels) == 4
    for panel in panels:
        train, test = (len(points.get_offsets()) for points in panel.collections)
        assert (train, test) == (8, 2)
    assert panels[0].get_xlabel() == "Component 1 (50 %)"


def test_reconstruction_leaves_the_probes_out(tables):
    figure = figures.reconstruction(tables["reconstruction"], TITLES)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["First zoo, 2 seeds", "Second zoo, 2 seeds"]
    means = np.concatenate([line.get_ydata() for line in figure.axes[0].lines if len(line.get_ydata()) == 6])
    assert means == pytest.approx(np.full(12, 50.0))  # percent, of five layers and all


def test_property_prediction_shows_the_test_models(tables):
    figure = figures.property_prediction(tables["property_prediction"], TITLES)
    assert len(figure.axes) == 8
    points = figure.axes[0].lines[0]
    test = tables["property_prediction"].query("split == 'test' and zoo == 'first'")
    assert points.get_xdata() == pytest.approx(100 * test["accuracy"].to_numpy())
    assert points.get_ydata() == pytest.approx(points.get_xdata())


def test_baselines_are_drawn_a_point_a_seed(tables):
    figure = figures.representation_baselines(tables["representation_baselines"], TITLES)
    assert len(figure.axes) == 12
    weights = figure.axes[0]
    assert [label.get_text() for label in weights.get_yticklabels()] == ["hyper-representation", "PCA"]
    drawn = np.concatenate([points.get_offsets()[:, 0] for points in weights.collections])
    assert sorted(drawn) == pytest.approx([30, 30, 50, 50])
    assert "R² of w, %" in weights.get_xlabel()
    clipped = np.concatenate([points.get_offsets()[:, 0] for points in figure.axes[2].collections])
    assert clipped.min() == pytest.approx(-20)  # of -300


def test_prune_decisions_have_a_panel_a_zoo_and_its_teacher(tables):
    figure = figures.prune_decisions(tables["prune_decisions"], TITLES)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[0] == "First zoo: 10 unseen models"
    assert titles[1].replace("\n", " ") == "Second zoo, learned on First zoo: 10 unseen models"
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["all", *LAYERS]


def test_zero_shot_has_a_line_a_method_and_the_twins_own_sparsity(tables):
    figure = figures.zero_shot(tables["zero_shot"], TITLES)
    assert len(figure.axes) == 4
    pruned = figure.axes[0]
    assert "pruned" in pruned.get_xlabel()
    lines = [container.lines[0] for container in pruned.containers]
    assert len(lines) == len(METHODS)
    assert all(line.get_xdata() == pytest.approx([50, 90]) for line in lines)
    assert any(line.get_marker() == "x" and line.get_xdata() == pytest.approx([80]) for line in pruned.lines)


def test_latent_size_has_a_line_a_predictor_and_epoch(tables):
    figure = figures.latent_size(tables["latent_size"], TITLES)
    assert [len(axes.lines) for axes in figure.axes] == [8, 8]
    (legend,) = figure.legends
    assert len(legend.get_texts()) == 8
