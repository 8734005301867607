"""Tables of hyper-representations: the paper's Table 3, and zero-shot twins beside trained ones."""

import numpy as np
import pandas as pd
from scipy import stats

from zootwins.analyses.cells import QUANTITIES as HEADINGS
from zootwins.analyses.cells import lines, mean_std, texts, value_interval
from zootwins.analyses.intervals import CONFIDENCE
from zootwins.analyses.tables import summary
from zootwins.experiments.representations.states import TARGETS
from zootwins.experiments.representations.zero_shot import METHODS

QUANTITIES = ("weights", "alphas", *TARGETS)
BASELINES = ("weight_statistics", "raw_weights")
MEASURES = ("accuracy", "sparsity", "agreement")


def table3(scores: pd.DataFrame, paper: pd.DataFrame) -> pd.DataFrame:
    """Table 3: R² in percent, its mean over seeds; one row a zoo.

    The paper's columns come first; then intervals over the seeds (Student's t, 95 %), the baselines' means on the
    same splits, and what the paper printed for the zoo or the one that it is like (`paper_zoo`).

    Args:
        scores: what `evaluate_representation` found, below one another: zoo, paper_zoo, seed, configuration,
            quantity, predictor, layer, r2, and the numbers of models.
        paper: the paper's table.
    """
    printed = paper.set_index("zoo")
    rows = []
    for zoo, of_zoo in scores.groupby("zoo", sort=False):
        first = of_zoo.iloc[0]
        whole = of_zoo[of_zoo["layer"] == "all"]
        r2 = 100 * whole.pivot_table(index="seed", columns=["predictor", "quantity"], values="r2")
        ours = r2["representation"]
        row = {"zoo": zoo} | {f"{name}_r2": ours[name].mean() for name in QUANTITIES}
        for name in QUANTITIES:
            row[f"{name}_r2_low"], row[f"{name}_r2_high"] = seed_interval(ours[name].to_numpy())
        row |= {f"{name}_r2_{baseline}": r2[baseline, name].mean() for baseline in BASELINES for name in TARGETS}
        sizes = ("models", "train_models", "validation_models", "test_models", "states")
        row |= {size: first[size] for size in sizes}
        row |= {"seeds": len(r2), "configuration": first["configuration"]}
        if first["paper_zoo"] in printed.index:
            row |= {"paper_zoo": first["paper_zoo"], **printed.loc[first["paper_zoo"]].add_suffix("_paper")}
        rows.append(row)
    return pd.DataFrame(rows)


def seed_interval(values: np.ndarray) -> tuple[float, float]:
    """Student's t interval of the mean over seeds `[seeds]`; NaN for fewer than two."""
    if len(values) < 2:
        return np.nan, np.nan
    reach = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * stats.sem(values)
    return values.mean() - reach, values.mean() + reach


def zero_shot_table(twins: pd.DataFrame) -> pd.DataFrame:
    """Accuracy, sparsity and agreement of zero-shot twins and of others, before and after an epoch of fine-tuning.

    Percent; one row a zoo, method and number of epochs, over the test models of all seeds (a model that several seeds
    test counts once, with the mean of its values).

    Args:
        twins: what `sparsify_zero_shot` found, below one another: zoo, seed, method, epochs, index, accuracy,
            sparsity, agreement.
    """
    models = twins.groupby(["zoo", "method", "epochs", "index"], sort=False, as_index=False)[list(MEASURES)].mean()
    rows = []
    for zoo in models["zoo"].unique():
        for method in METHODS:
            for epochs in (0, 1):
                chosen = models[(models["zoo"] == zoo) & (models["method"] == method) & (models["epochs"] == epochs)]
                row = {"zoo": zoo, "method": method, "epochs": epochs, "models": len(chosen)}
                for measure in MEASURES:
                    row |= {f"{measure}_{key}": value for key, value in summary(chosen[measure]).items()}
                rows.append(row)
    return pd.DataFrame(rows).drop(columns=[f"{measure}_models" for measure in MEASURES])


def arrange_table3(table: pd.DataFrame) -> pd.DataFrame:
    """A line a zoo: ours with intervals, the baselines, and what the paper printed."""
    targets = {"accuracy": "Accuracy", "sparsity": "Sparsity", "epoch": "Epoch", "generalization_gap": "Gap"}
    headings = {"weights": "w", "alphas": "log α", **targets}
    cells = {
        heading: value_interval(*(table[f"{name}_r2{end}"] for end in ("", "_low", "_high")))
        for name, heading in headings.items()
    }
    for baseline, text in zip(BASELINES, ("statistics", "raw weights"), strict=True):
        cells |= {
            f"{heading}, {text}": texts(table[f"{name}_r2_{baseline}"], "{:.1f}") for name, heading in targets.items()
        }
    if "paper_zoo" in table:
        cells |= {f"{heading}, paper": texts(table[f"{name}_r2_paper"], "{:.1f}") for name, heading in headings.items()}
    keys = {"Zoo": "zoo", "n": "models", "Seeds": "seeds", "Settings": "configuration"}
    return lines({heading: table[key] for heading, key in keys.items()}, cells)


def arrange_zero_shot(table: pd.DataFrame) -> pd.DataFrame:
    """A line a zoo, kind of twin and number of epochs."""
    names = {
        "zero_shot": "Zero-shot",
        "zero_shot_mask": "Zero-shot mask, own weights",
        "vd": "Variational dropout, trained",
        "mp": "Magnitude pruning",
        "random": "Random pruning",
    }
    return lines(
        {
            "Zoo": table["zoo"],
            "n": table["models"],
            "Twin": table["method"].map(names),
            "Epochs of fine-tuning": table["epochs"],
        },
        {
            HEADINGS[measure]: mean_std(table[f"{measure}_mean"], table[f"{measure}_std"])
            for measure in ("sparsity", "accuracy", "agreement")
        },
    )
