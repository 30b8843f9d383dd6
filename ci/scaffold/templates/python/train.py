"""Stage train: learn the weights, and measure the model on the holdout."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import predict
from columns import ACTUAL, BASELINE, BOOLEANS, CATEGORIES, NUMBERS
# {{#regression}}
from sklearn.linear_model import Ridge
# {{/regression}}
# {{#classification}}
from sklearn.linear_model import LogisticRegression
# {{/classification}}


def read_rows(path: str) -> pd.DataFrame:
    """Rows that prepare.py wrote, with the types that the model's inputs have."""
    rows = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])
    for name in BOOLEANS:
        rows[name] = rows[name].str.lower().map({"true": 1.0, "false": 0.0})
    for name in [*NUMBERS, ACTUAL, *([BASELINE] if BASELINE in rows else [])]:
        rows[name] = rows[name].astype(float)
    return rows


def terms_of(rows: pd.DataFrame) -> pd.DataFrame:
    """What gets a weight: column, kind, category, and the centre and scale to standardise by."""
    found = [("", "intercept", "", 0.0, 1.0)]
    for name in NUMBERS + BOOLEANS:
        if rows[name].notna().any():
            found.append((name, "number", "", rows[name].mean(), scale(rows[name])))
        if rows[name].isna().any():
            found.append((name, "missing", "", 0.0, 1.0))
    for name in CATEGORIES:
        for category in sorted(rows[name].dropna().unique()):
            found.append((name, "category", category, 0.0, 1.0))
        if rows[name].isna().any():
            found.append((name, "missing", "", 0.0, 1.0))
    return pd.DataFrame(found, columns=["column", "kind", "category", "centre", "scale"])


def scale(values: pd.Series) -> float:
    """Standard deviation; 1 where all values are the same."""
    return float(values.std(ddof=0)) or 1.0


def weights(inputs: np.ndarray, actual: np.ndarray, ridge: float) -> np.ndarray:
    """A weight a term; the intercept, which is the first, is not drawn towards zero."""
    # {{#regression}}
    model = Ridge(alpha=ridge).fit(inputs[:, 1:], actual)
    return np.concatenate([[model.intercept_], model.coef_])
    # {{/regression}}
    # {{#classification}}
    model = LogisticRegression(C=1 / ridge, max_iter=1000).fit(inputs[:, 1:], actual)
    return np.concatenate([model.intercept_, model.coef_[0]])
    # {{/classification}}


# {{#regression}}
def error(guess: np.ndarray, actual: np.ndarray) -> float:
    """Mean absolute error, in units of the target."""
    return round(float(np.mean(np.abs(guess - actual))), 6)
# {{/regression}}
# {{#classification}}
def error(guess: np.ndarray, actual: np.ndarray) -> float:
    """Mean log loss of probabilities."""
    likely = np.clip(np.where(actual == 1, guess, 1 - guess), 1e-15, 1)
    return round(float(-np.mean(np.log(likely))), 6)
# {{/classification}}


def main(ridge: float) -> None:
    rows, holdout = read_rows("prepared/train.csv"), read_rows("evaluation/holdout.csv")
    # {{#classification}}
    if rows[ACTUAL].nunique() < 2:
        raise ValueError("all training rows have the same outcome; there is nothing to learn")
    # {{/classification}}
    terms = terms_of(rows)
    terms["weight"] = weights(predict.design(terms, rows), rows[ACTUAL].to_numpy(), ridge)
    Path("artifact").mkdir(exist_ok=True)
    terms.to_csv("artifact/coefficients.csv", index=False, lineterminator="\n")
    # {{#regression}}
    lowest, highest = rows[ACTUAL].min(), rows[ACTUAL].max()
    Path("artifact/range.csv").write_text(f"lowest,highest\n{float(lowest)!r},{float(highest)!r}\n")
    # {{/regression}}
    guess = predict.predict(predict.load_model("artifact"), holdout)
    metrics = {
        "training_rows": len(rows),
        "holdout_rows": len(holdout),
        "{{metric}}": error(guess, holdout[ACTUAL].to_numpy()),
        "{{metric}}_{{baseline_name}}": error(holdout[BASELINE].to_numpy(), holdout[ACTUAL].to_numpy()),
    }
    Path("metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(float(sys.argv[1]))
