from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from synthetic import ARCHITECTURE, SETTINGS_OF, VD_EPOCHS, make_models, make_results, make_shard, make_zoo
from zootwins.analyses.mask_overlap import ALL, NONE_NEAR, mask_overlap_table, mask_overlaps, masks_at, overlap
from zootwins.population.variational import log_alpha

SHARES = ARCHITECTURE.weight_shares.numpy()


def of_layer(rows, layer):
    (row,) = (row for row in rows if row["layer"] == layer)
    return row


def test_jaccard_and_chance_by_hand():
    first = {"a": np.array([1, 1, 0, 0], dtype=bool), "b": np.array([1, 0, 0, 0, 0, 0], dtype=bool)}
    second = {"a": np.array([1, 0, 1, 0], dtype=bool), "b": np.array([1, 1, 1, 0, 0, 0], dtype=bool)}
    rows = overlap(first, second)
    a, b, both = (of_layer(rows, layer) for layer in ("a", "b", ALL))
    assert (a["jaccard"], b["jaccard"], both["jaccard"]) == pytest.approx((1 / 3, 1 / 3, 2 / 6))
    # expected: a 4·½·½ = 1 shared of 2 + 2 − 1; b 6·⅙·½ = ½ shared of 1 + 3 − ½
    assert (a["chance"], b["chance"]) == pytest.approx((1 / 3, 0.5 / 3.5))
    assert both["chance"] == pytest.approx(1.5 / 6.5)
    assert (b["sparsity"], b["sparsity_against"]) == pytest.approx((5 / 6, 1 / 2))


def test_random_masks_overlap_as_chance_has_it():
    rng = np.random.default_rng(0)
    drawn = [{"a": rng.permutation(2000) < kept} for kept in (400, 200) for _ in range(20)]
    rows = [overlap(first, second)[0] for first, second in zip(drawn[:20], drawn[20:], strict=True)]
    assert np.mean([row["jaccard"] for row in rows]) == pytest.approx(rows[0]["chance"], rel=0.1)


def test_layers_without_weights_on_either_side_have_no_overlap():
    empty = {"a": np.zeros(4, dtype=bool), "b": np.ones(2, dtype=bool)}
    rows = overlap(empty, empty)
    assert np.isnan(of_layer(rows, "a")["jaccard"])
    assert of_layer(rows, ALL)["jaccard"] == 1


def test_masks_are_those_of_the_point_that_is_nearest(tmp_path):
    shard = make_shard(tmp_path / "vd.safetensors", "vd", make_models())
    masks = masks_at(shard, 3, SETTINGS_OF["vd"], SHARES, [0.5, 0.99])
    assert list(masks) == [0.5]  # none of the twins is near 99 %
    overall = shard.tensor("sparsity")[3].double().numpy() @ SHARES
    epoch = int(np.abs(overall - 0.5).argmin())
    assert 0 < epoch < VD_EPOCHS
    weights, noise = shard.tensor("fc1.weight")[3, epoch], shard.tensor("fc1.log_sigma2")[3, epoch]
    kept = (log_alpha(weights, noise, is_conv=False) < 3).flatten().numpy()
    np.testing.assert_array_equal(masks[0.5]["fc1"], kept)
    assert 0 < kept.mean() < 1


def test_states_without_weights_are_not_taken(tmp_path):
    shard = make_shard(tmp_path / "vd.safetensors", "vd", make_models())
    assert masks_at(replace(shard, weight_states=[0]), 3, SETTINGS_OF["vd"], SHARES, [0.5]) == {}


def test_pairs_are_of_the_same_model_whatever_the_shards(tmp_path):
    models = make_models()
    whole = {method: [make_shard(tmp_path / f"{method}.safetensors", method, models)] for method in ("mp", "vd")}
    rows = mask_overlaps(whole, SETTINGS_OF, SHARES, [0.5])
    assert set(rows["index"]) <= set(range(12))
    assert set(rows["layer"]) == {*(layer.name for layer in ARCHITECTURE.layers), ALL}
    other = {**whole, "vd": [make_shard(tmp_path / "half.safetensors", "vd", models[:6])]}
    half = mask_overlaps(other, SETTINGS_OF, SHARES, [0.5])
    assert set(half["index"]) <= set(range(6))


def test_table_means_the_models_ratios(tmp_path):
    key = {"method": "mp", "against": "vd", "target": 0.8, "layer": ALL, "sparsity": 0.8, "sparsity_against": 0.8}
    long = pd.DataFrame([{"index": i, **key, "jaccard": j, "chance": 0.1} for i, j in enumerate((0.2, 0.4))])
    made = make_results(tmp_path)
    results = replace(made, zoo=make_zoo(), tables={"mask_overlap": long})
    table = mask_overlap_table([results]).set_index("sparsity")
    assert table.loc[80, "over_chance"] == pytest.approx(3)
    assert (table.loc[80, "jaccard"], table.loc[80, "models"]) == (pytest.approx(30), 2)
    assert table.loc[50, "reason"] == NONE_NEAR
    assert mask_overlap_table([replace(results, tables={})]).empty


def test_a_layer_that_one_mask_empties_is_left_out_of_the_mean():
    some, none = {"a": np.array([1, 0, 1], dtype=bool)}, {"a": np.zeros(3, dtype=bool)}
    rows = overlap(some, none)
    assert of_layer(rows, "a")["jaccard"] == 0
    assert np.isnan(of_layer(rows, "a")["chance"])  # nothing to compare 0 with: the model does not count
