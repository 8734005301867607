"""Tables of zero-shot twins: how well prune decisions are predicted, and how good the twins are beside others."""

import numpy as np
import pandas as pd

from zootwins.analyses.cells import QUANTITIES as HEADINGS
from zootwins.analyses.cells import lines, mean_std, texts, value_interval
from zootwins.analyses.findings import FAILS, HOLDS, OPEN
from zootwins.analyses.paper_tables import summary
from zootwins.experiments.representations import METHODS, OWN, RATIOS

MEASURES = ("accuracy", "sparsity", "agreement")
REFERENCES = {  # what twins are compared with, model by model
    "over_mp": "mp",
    "over_prior": "prior",
    "over_nearest": "nearest",
    "over_noisy": "nearest_noisy",
}
PREDICTORS = {
    "decoder": "decoder",
    "token_network": "token network",
    "boosting": "boosted trees",
    "boosting_images": "boosted trees, gradients",
    "saliency": "w² × Fisher information",
    "prior": "population prior",
    "magnitude": "magnitude",
}
TWINS = {
    "vd": "VD, trained",
    "vd_mask": "VD's mask, own weights",
    "decoder": "decoder, weights and mask",
    "decoder_mask": "decoder's mask",
    "token_network": "token network's mask",
    "boosting": "boosted trees' mask",
    "boosting_uniform": "boosted trees' mask, equal shares",
    "prior": "population prior",
    "mp": "MP",
    "mp_layers": "MP at VD's layer sparsities",
    "mp_uniform": "MP, equal shares",
    "random": "random",
    "nearest": "nearest training twin",
    "nearest_noisy": "nearest training twin, noisy",
}


def prune_decisions_table(decisions: pd.DataFrame) -> pd.DataFrame:
    """Return AUCs of predicting what VD prunes, in percent; one row per zoo, predictor and layer.

    The mean over the models and its interval; a model that several seeds test counts once, with the mean of its values.

    Args:
        decisions: what `sparsify_zero_shot` found, below one another: zoo, learned_on, seed, predictor, model, layer,
            auc, sparsity, predicted_sparsity.
    """
    decisions = decisions.assign(error=(decisions["predicted_sparsity"] - decisions["sparsity"]).abs())
    keys = ["zoo", "learned_on", "predictor", "layer"]
    values = ["auc", "sparsity", "predicted_sparsity", "error"]
    models = decisions.groupby([*keys, "model"], sort=False, as_index=False)[values].mean()
    rows = []
    for group, part in models.groupby(keys, sort=False):
        row = dict(zip(keys, group, strict=True)) | _named("auc", summary(part["auc"].dropna()))
        row |= {f"{name}_mean": 100 * part[name].mean() for name in ("sparsity", "predicted_sparsity")}
        rows.append(row | {"sparsity_error_mean": 100 * part["error"].mean()})
    return pd.DataFrame(rows).rename(columns={"auc_models": "models"})


def zero_shot_table(twins: pd.DataFrame) -> pd.DataFrame:
    """Compare twins at equal sparsity, before and after an epoch of fine-tuning; in percent.

    One row a zoo, zoo that was learned on, method, sparsity (`at`: requested, or `vd`: each model's trained twin's own)
    and number of epochs, over the models that were not trained on; a model that several seeds test counts once. Beside
    the measures: the share of the trained twin's accuracy at the same sparsity after as many epochs (`of_vd`), and the
    difference in accuracy, model by model and each with its interval, to magnitude pruning (`over_mp`), to the
    population prior (`over_prior`), to the training twin nearest to the decoder's (`over_nearest`) and to a noisy copy
    of that one (`over_noisy`); the mean distance to that training twin; whether the twin is ahead of magnitude pruning.

    Args:
        twins: what `sparsify_zero_shot` found, below one another: zoo, learned_on, seed, method, at, epochs, index,
            accuracy, sparsity, agreement, distance.
    """
    keys = ["zoo", "learned_on", "at", "epochs"]
    models = twins.groupby([*keys, "method", "index"], sort=False, as_index=False)[[*MEASURES, "distance"]].mean()
    rows = []
    for group, part in models.groupby(keys, sort=False):
        by_method = {method: table.set_index("index") for method, table in part.groupby("method")}
        for method in METHODS:
            own = by_method[method]
            row = dict(zip(keys, group, strict=True)) | {"method": method, "models": len(own)}
            for measure in MEASURES:
                row |= _named(measure, summary(own[measure]))
            row |= _named("of_vd", summary(own["accuracy"] / by_method["vd"]["accuracy"]))
            for name, reference in REFERENCES.items():
                row |= _named(name, summary(own["accuracy"] - by_method[reference]["accuracy"]))
            row["distance_mean"] = own["distance"].mean()
            rows.append(row | {"ahead_of_mp": _verdict(method, row)})
    table = pd.DataFrame(rows)
    return table.drop(columns=[f"{name}_models" for name in (*MEASURES, "of_vd", *REFERENCES)])


def _named(name: str, values: dict[str, float]) -> dict[str, float]:
    return {f"{name}_{key}": value for key, value in values.items()}


def _verdict(method: str, row: dict) -> str:
    if method == "mp":
        return ""
    return HOLDS if row["over_mp_low"] > 0 else FAILS if row["over_mp_high"] < 0 else OPEN


def arrange_prune_decisions(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo and predictor: the whole network, then layer by layer."""
    keys = ["zoo", "learned_on", "predictor"]
    whole = table[table["layer"] == "all"].set_index(keys)
    cells = {
        "n": texts(whole["models"]),
        "AUC": value_interval(whole["auc_mean"], whole["auc_low"], whole["auc_high"]),
    }
    for layer in table["layer"].unique():
        if layer != "all":
            of_layer = table[table["layer"] == layer].set_index(keys)["auc_mean"].reindex(whole.index)
            cells[f"AUC, {layer}"] = texts(of_layer, "{:.1f}")
    cells["Sparsity, VD"] = texts(whole["sparsity_mean"], "{:.1f}")
    cells["Sparsity, predicted"] = texts(whole["predicted_sparsity_mean"], "{:.1f}")
    cells["Error a model"] = texts(whole["sparsity_error_mean"], "{:.1f}")
    frame = whole.reset_index()
    return lines(
        {"Zoo": frame["zoo"], "Learned on": _teacher(frame), "Predicted from": frame["predictor"].map(PREDICTORS)},
        cells,
    )


def _teacher(table: pd.DataFrame) -> pd.Series:
    """Return the training zoo as text."""
    return table["learned_on"].mask(table["learned_on"] == table["zoo"], "itself")


def arrange_zero_shot(table: pd.DataFrame) -> pd.DataFrame:
    """Arrange one line per zoo, sparsity and twin, accuracy before and after an epoch of fine-tuning."""
    keys = ["zoo", "learned_on", "at", "method"]
    before, after = (table[table["epochs"] == epochs].set_index(keys) for epochs in (0, 1))
    order = [f"{100 * ratio:g}" for ratio in RATIOS] + [OWN]
    index = sorted(after.index, key=lambda key: (order.index(key[2]), list(TWINS).index(key[3])))
    zoos = list(dict.fromkeys((key[0], key[1]) for key in after.index))
    index.sort(key=lambda key: zoos.index(key[:2]))  # stable
    before, after = before.loc[index], after.loc[index]
    frame = after.reset_index()
    at = frame["at"].map(lambda value: "VD's own" if value == OWN else f"{value} %")
    cells = {
        HEADINGS["sparsity"]: texts(after["sparsity_mean"], "{:.1f}"),
        "Accuracy, pruned": mean_std(before["accuracy_mean"], before["accuracy_std"]),
        "Accuracy, fine-tuned": mean_std(after["accuracy_mean"], after["accuracy_std"]),
        HEADINGS["agreement"]: texts(after["agreement_mean"], "{:.1f}"),
        "of VD's": value_interval(after["of_vd_mean"], after["of_vd_low"], after["of_vd_high"]),
        "over MP": value_interval(after["over_mp_mean"], after["over_mp_low"], after["over_mp_high"]),
        "over nearest": value_interval(
            after["over_nearest_mean"], after["over_nearest_low"], after["over_nearest_high"]
        ),
        "over noisy": value_interval(after["over_noisy_mean"], after["over_noisy_low"], after["over_noisy_high"]),
        "Distance": texts(after["distance_mean"], "{:.2f}"),
        "Ahead of MP": texts(after["ahead_of_mp"].replace("", np.nan)),
    }
    return lines(
        {
            "Zoo": frame["zoo"],
            "Learned on": _teacher(frame),
            "n": frame["models"],
            "At": at,
            "Twin": frame["method"].map(TWINS),
        },
        cells,
    )
