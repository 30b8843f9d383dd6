"""Stage train: learn to rank a household's candidates, and write the artifact and the metrics."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import predict
import yaml
from features import FEATURES, PAIR, candidates
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

Numbers = npt.NDArray[np.float64]
RESAMPLES = 2000


def build(
    purchases: pd.DataFrame, training_rows: pd.DataFrame, params: dict[str, Any]
) -> predict.Arrays:
    """The artifact's arrays from purchases of the training weeks.

    The network learns from history that ends ``label_weeks`` before the training weeks do which
    candidates were bought in the rest; the artifact's history then runs to their end.
    """
    last_week = params["split"]["train_last_week"]
    label_start = last_week - params["train"]["label_weeks"] + 1
    past = candidates(purchases[purchases.week < label_start], label_start - 1, params)
    network = fit(*examples(past, training_rows), params["train"])
    return {**network, **household_arrays(candidates(purchases, last_week, params))}


def examples(
    past: pd.DataFrame, training_rows: pd.DataFrame
) -> tuple[Numbers, npt.NDArray[np.bool_]]:
    """Network inputs (candidates, features) and whether each candidate was bought."""
    pairs = training_rows[["household_id"]].assign(
        product_id=training_rows.bought_products.str.split(), bought=True
    )
    pairs = pairs.explode("product_id").astype({"product_id": "int64"})
    table = past.merge(training_rows, on="household_id").merge(pairs, how="left", on=PAIR)
    inputs = np.column_stack([table[FEATURES].to_numpy(), predict.row_features(table)])
    return inputs, table.bought.notna().to_numpy()


def fit(inputs: Numbers, bought: npt.NDArray[np.bool_], params: dict[str, Any]) -> predict.Arrays:
    """A network with one hidden layer, as plain arrays."""
    scaler = StandardScaler().fit(inputs)
    network = MLPClassifier(
        (params["hidden_units"],),
        batch_size=params["batch_size"],
        learning_rate_init=params["learning_rate"],
        max_iter=params["epochs"],
        random_state=params["seed"],
    )
    with warnings.catch_warnings():
        # The number of epochs was chosen on the training weeks; it is not meant to converge.
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(scaler.transform(inputs), bought)
    return {
        "mean": scaler.mean_,
        "scale": scaler.scale_,
        "hidden": network.coefs_[0],
        "hidden_bias": network.intercepts_[0],
        "out": network.coefs_[1][:, 0],
        "out_bias": network.intercepts_[1],
    }


def household_arrays(table: pd.DataFrame) -> predict.Arrays:
    """Each household's candidates one after the other, and the ten products for all others."""
    households, starts, counts = np.unique(
        table.household_id.to_numpy(np.int64), return_index=True, return_counts=True
    )
    popular = table.drop_duplicates("product_id").sort_values(
        ["popularity", "product_id"], ascending=[False, True]
    )
    return {
        "households": households,
        "starts": starts,
        "counts": counts,
        "products": table.product_id.to_numpy(np.int32),
        "features": table[FEATURES].to_numpy(np.float32),
        "popular": popular.product_id.to_numpy(np.int32)[: predict.TEN],
    }


def precisions(lists: list[list[int]], bought: pd.Series) -> Numbers:
    """For each row, the share of its ten products that was bought."""
    wanted = [set(map(int, text.split())) for text in bought]
    hits = [len(wants.intersection(ten)) for wants, ten in zip(wanted, lists, strict=True)]
    return np.array(hits) / predict.TEN


def metrics(model: predict.Arrays, holdout: pd.DataFrame, seed: int) -> dict[str, float]:
    """Precision of the model and the baselines; 95 % interval by resampling households."""
    chosen = predict.predict(model, holdout).to_numpy().tolist()
    ours = precisions(chosen, holdout.bought_products)
    report = {"households": float(len(holdout)), "precision": float(ours.mean())}
    draws = np.random.default_rng(seed).integers(0, len(ours), (RESAMPLES, len(ours)))
    for name in ("popularity", "own_frequency"):
        lists = [[int(item) for item in text.split()] for text in holdout[f"{name}_products"]]
        baseline = precisions(lists, holdout.bought_products)
        low, high = np.quantile((ours - baseline)[draws].mean(axis=1), [0.025, 0.975])
        report[f"precision_{name}"] = float(baseline.mean())
        report[f"gain_over_{name}"] = float((ours - baseline).mean())
        report[f"gain_over_{name}_low"] = float(low)
        report[f"gain_over_{name}_high"] = float(high)
    return {name: round(value, 4) for name, value in report.items()}


def main(params: dict[str, Any]) -> None:
    purchases = pd.read_parquet("prepared/train.parquet")
    training_rows = pd.read_csv("prepared/training_rows.csv")
    # With one thread the order of additions, and so the artifact, is the same on each machine run.
    with threadpool_limits(limits=1):
        model = build(purchases, training_rows, params)
    Path("artifact").mkdir(exist_ok=True)
    for name, array in model.items():
        # A file each: the same arrays in one .npz are other bytes on another version of Python.
        np.save(Path("artifact") / f"{name}.npy", array, allow_pickle=False)
    report = metrics(model, pd.read_csv("evaluation/holdout.csv"), params["train"]["seed"])
    Path("metrics.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8")))
