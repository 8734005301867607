"""Figures of hyper-representations, of made-up results."""

import numpy as np
import pandas as pd
import pytest

from zootwins.experiments.representations.states import TARGETS
from zootwins.experiments.representations.zero_shot import METHODS
from zootwins.population.architectures import LAYER_NAMES
from zootwins.reporting.figures.representations import FIGURES

TITLES = {"first": "First zoo", "second": "Second zoo"}


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(0)
    scores, states, twins = [], [], []
    for zoo in TITLES:
        for seed in (0, 1):
            identity = {"zoo": zoo, "seed": seed}
            for quantity in ("weights", "alphas"):
                scores += [
                    identity | {"quantity": quantity, "layer": layer, "r2": 0.5} for layer in (*LAYER_NAMES, "all")
                ]
            scores += [identity | {"quantity": target, "layer": "all", "r2": 0.9} for target in TARGETS]
            for index in range(10):
                split = "test" if index > 7 else "train"
                numbers = dict(zip((*TARGETS, "component1", "component2"), rng.random(6), strict=True))
                predicted = {f"predicted_{t}": numbers[t] if split == "test" else np.nan for t in TARGETS}
                shares = {"explained1": 0.5, "explained2": 0.2}
                states.append(identity | numbers | predicted | shares | {"index": index, "split": split})
                for method in METHODS:
                    for epochs in (0, 1):
                        row = {"method": method, "epochs": epochs, "index": index, "accuracy": rng.random()}
                        twins.append(identity | row | {"sparsity": 0.8, "agreement": 0.5})
    frames = {name: pd.DataFrame(rows) for name, rows in (("scores", scores), ("states", states), ("twins", twins))}
    return {
        "latent_space": frames["states"],
        "reconstruction": frames["scores"],
        "property_prediction": frames["states"],
        "zero_shot": frames["twins"],
    }


def test_latent_space_shows_the_first_seed_of_every_zoo(tables):
    figure = FIGURES["latent_space"](tables["latent_space"], TITLES)
    panels = [axes for axes in figure.axes if axes.collections and axes.get_xlabel().startswith("Component 1")]
    assert len(panels) == 4
    for panel in panels:
        train, test = (len(points.get_offsets()) for points in panel.collections)
        assert (train, test) == (8, 2)
    assert panels[0].get_xlabel() == "Component 1 (50 %)"


def test_reconstruction_leaves_the_probes_out(tables):
    figure = FIGURES["reconstruction"](tables["reconstruction"], TITLES)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["First zoo, 2 seeds", "Second zoo, 2 seeds"]
    means = np.concatenate([line.get_ydata() for line in figure.axes[0].lines if len(line.get_ydata()) == 6])
    assert means == pytest.approx(np.full(12, 50.0))  # percent, of five layers and all


def test_property_prediction_shows_the_test_models(tables):
    figure = FIGURES["property_prediction"](tables["property_prediction"], TITLES)
    assert len(figure.axes) == 8
    points = figure.axes[0].lines[0]
    test = tables["property_prediction"].query("split == 'test' and zoo == 'first'")
    assert points.get_xdata() == pytest.approx(100 * test["accuracy"].to_numpy())
    assert points.get_ydata() == pytest.approx(points.get_xdata())


def test_zero_shot_names_the_twins_and_their_sparsity(tables):
    figure = FIGURES["zero_shot"](tables["zero_shot"], TITLES)
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert labels[0] == "zero-shot\n80 %"
    assert len(labels) == len(METHODS)
    assert figure.axes[0].get_title(loc="left") == "First zoo, 10 unseen models"
