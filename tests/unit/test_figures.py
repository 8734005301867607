import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from synthetic import ARCHITECTURE, MP_EPOCHS, SETTINGS_OF, VD_EPOCHS, draw, make_results, make_zoo
from test_scratch import retraining_results
from zootwins.analyses.mask_overlap import mask_overlaps
from zootwins.analyses.paper_comparison import PAPER_LAYERS
from zootwins.analyses.prune_shares import prune_shares
from zootwins.catalogue.experiments import figures
from zootwins.reporting.figures import save
from zootwins.reporting.figures.layer_size import binned, layer_means
from zootwins.run.errors import InputError
from zootwins.storage.shards import Trajectory, read_shard, write_trajectory


def drawable_results(folder):
    """A zoo with all that figures of zoos are drawn of."""
    made = make_results(folder)
    history = pd.DataFrame([{"index": i, "epoch": e, "test_accuracy": 0.1 * e} for i in range(14) for e in range(6)])
    shards = {method: [read_shard(folder / f"mini-{method}-0000.safetensors")] for method in SETTINGS_OF}
    shares = prune_shares(shards["vd"], 3.0, PAPER_LAYERS)
    overlaps = mask_overlaps(shards, SETTINGS_OF, ARCHITECTURE.weight_shares.numpy())
    more = {"history": history, "vd/prune_shares": shares, "mask_overlap": overlaps}
    return replace(made, tables={**made.tables, **more})


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return drawable_results(tmp_path_factory.mktemp("twins"))


OF_ZOOS = [figure.name for figure in figures().values() if figure.reader == "zootwins.analyses.results:read_results"]


@pytest.fixture
def drawn(results):
    """The results that a figure is drawn of."""
    return lambda name: retraining_results() if name == "scratch_comparison" else results


def texts(figure):
    return " ".join(text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")))


@pytest.mark.parametrize("name", OF_ZOOS)
def test_says_how_many_models_and_is_the_same_when_drawn_again(drawn, name, tmp_path):
    results = drawn(name)
    models = len(results.originals)
    zoos = [results, replace(results, zoo=replace(results.zoo, id="other"))]
    path = tmp_path / f"{name}.svg"
    figure = draw(name, zoos)
    assert any(text in texts(figure) for text in (f"n = {models}", f"n ≤ {models}", f"{2 * models} models"))
    assert figure.get_figwidth() == 3.4
    save(figure, [path], {"configuration_digest": "abc"})
    first = path.read_bytes()
    save(draw(name, zoos), [path], {"configuration_digest": "abc"})
    assert path.read_bytes() == first


def test_every_format_is_the_same_when_saved_again_and_says_what_made_it(results, tmp_path):
    paths = [tmp_path / f"figure.{suffix}" for suffix in ("pdf", "svg", "png")]
    saved = []
    for _ in range(2):
        save(draw("figure3", [results]), paths, {"configuration_digest": "abc"})
        saved.append([path.read_bytes() for path in paths])
    assert saved[0] == saved[1]
    assert all(b"configuration_digest" in content for content in saved[0][1:])


def test_zoos_of_one_title_are_two(results):
    other = replace(results, zoo=replace(results.zoo, id="other"))
    figure = draw("figure3", [results, other])
    assert texts(figure).count(f"n = {len(results.originals)}") == 2


def test_a_method_of_any_zoo_is_in_the_legend(results):
    first = replace(results, zoo=make_zoo(methods={"vd": SETTINGS_OF["vd"]}))
    (legend,) = draw("compression", [first, replace(results, zoo=make_zoo("other"))]).legends
    assert {text.get_text() for text in legend.get_texts()} == {"VD", "MP"}


def test_a_zoo_whose_training_was_not_recorded_is_drawn(results):
    history = results.tables["history"].assign(test_accuracy=np.nan)
    figure = draw("figure2", [replace(results, tables={**results.tables, "history": history})])
    assert "no accuracy recorded" in texts(figure)


@pytest.mark.parametrize("name", OF_ZOOS)
def test_zoo_without_variational_dropout(results, name):
    tables = {key: table for key, table in results.tables.items() if not key.startswith("vd")}
    bare = replace(results, zoo=make_zoo(methods={"mp": SETTINGS_OF["mp"]}), tables=tables)
    assert draw(name, [bare]).axes or "None of the zoos" in texts(draw(name, [bare]))


def test_tradeoff_shows_the_medians(results):
    axes = draw("figure5", [results]).axes[0]
    mp, vd = (container.lines[0] for container in axes.containers)
    final = (
        results.tables["mp/scores"]
        .query(f"epoch == {MP_EPOCHS}")
        .groupby("ratio")[["sparsity", "test_accuracy"]]
        .median()
    )
    np.testing.assert_allclose(mp.get_xydata(), 100 * final)
    assert len(vd.get_xdata()) == VD_EPOCHS + 1


def test_trajectories_show_the_median(results):
    line = draw("figure2", [results]).axes[1].lines[0]
    median = results.tables["vd/scores"].groupby("epoch")["test_accuracy"].median()
    np.testing.assert_allclose(line.get_ydata(), 100 * median)


def test_prune_shares_of_no_model_are_refused(tmp_path):
    tensors = {"fc1.log_sigma2": torch.zeros(0, 1, 20, 36), "fc1.weight": torch.zeros(0, 1, 20, 36)}
    write_trajectory(tmp_path / "0000-0001.safetensors", "vd", Trajectory([0], [0], [], tensors), [], [])
    with pytest.raises(InputError, match=r"every model that the run takes is excluded.*raise max_models"):
        prune_shares([read_shard(tmp_path / "0000-0001.safetensors")], 3.0, PAPER_LAYERS)


def test_prune_shares_against_single_models(tmp_path):
    make_results(tmp_path)
    shard = read_shard(tmp_path / "mini-vd-0000.safetensors")
    table = prune_shares([shard], 3.0, PAPER_LAYERS)
    assert len(table) == 2416 * (VD_EPOCHS + 1)
    mu, log_sigma2 = shard.tensor("fc1.weight")[:, 4], shard.tensor("fc1.log_sigma2")[:, 4]
    pruned = np.mean([(log_sigma2[i] - 2 * mu[i].abs().log() >= 3).numpy() for i in range(14)], axis=0)
    share = table.query("layer == 'fc1' and epoch == 4").sort_values("weight")["share"]
    np.testing.assert_allclose(share, pruned.ravel())
    assert 0 < share.mean() < 1


def test_layers_are_binned_by_size():
    points = pd.DataFrame({"weights": [200, 200, 1200, 1000], "sparsity": [0.1, 0.4, 0.5, 0.0]})
    bins = binned(points)
    np.testing.assert_allclose(np.exp(bins["mean"]), [0.2, 0.5])  # geometric mean; the empty layer is left out
    np.testing.assert_allclose(bins["std"], [np.log(4) / np.sqrt(2), 0])


def test_layer_means_average_over_models(results):
    means = layer_means([results]).query("epoch == 5 and layer == 'fc2'")
    rows = results.tables["vd/layers"].query("epoch == 5 and layer == 'fc2'")
    assert means["sparsity"].item() == pytest.approx(rows["sparsity"].mean())


def test_metadata_is_readable(results, tmp_path):
    from PIL import Image

    save(draw("figure5", [results]), [tmp_path / "a.png"], {"software": "x"})
    assert json.loads(Image.open(tmp_path / "a.png").text["Description"]) == {"software": "x"}
