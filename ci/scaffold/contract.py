"""Writes the `model.yaml` of a new model, with comments for the person who edits it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from ci.scaffold.columns import ROW_ID, clean
from ci.scaffold.look import UNKNOWN_CHUNK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci.scaffold.columns import Input, Plan
    from ci.scaffold.look import Look

EXPLAINED = {
    "description": "For people who do not program: the report and the API show it.",
    "input": "What a caller sends, a column each; `mlops check` says what is wrong here.",
    "output": "What the API answers.",
    "evaluation": "How a candidate is judged. Slices (such as slices: [region]) are judged one by "
    "one, if you name\n# columns of the holdout.",
    "monitoring": "What `mlops drift` compares: reference and analysis period, by chunks:\n# day, "
    "week, month or quarter, or a number of rows.",
    "parameters": "Values of params.yaml that the owner may change without a data scientist.",
    "tune": "What `mlops tune` tries; log: 0.1 to 1 as closely as 1,000 to 10,000.",
}


def names(plan: Plan) -> dict[str, str]:
    """Names of the holdout's and the contract's own columns."""
    target = clean(plan.target, set())
    taken = {each.name for each in plan.inputs}
    binary = plan.yes is not None
    return {
        "actual": f"actual_{target}",
        "output": clean(f"{target}_probability" if binary else target, taken),
        "baseline_name": "base_rate" if binary else "training_mean",
        "baseline": "baseline_base_rate" if binary else "baseline_training_mean",
        "metric": "log_loss" if binary else "mae",
        "unit": clean(plan.unit, taken) if plan.unit else ROW_ID,
        "time": clean(plan.time, taken) if plan.time else "",
    }


@dataclass(frozen=True)
class Head:
    """What a new model is, before any of its columns."""

    name: str
    owner: str
    language: str
    dataset: str
    description: str


def contract_text(head: Head, plan: Plan, rules: Any, look: Look) -> str:
    """`model.yaml`; ``rules`` are those of the target in the dataset."""
    data = _data(head, plan, rules, look)
    parts = [_section(key, value) for key, value in data.items()]
    parts.insert(list(data).index("input") + 1, _left_out(plan.left_out))
    return "".join(parts)


def suggested(plan: Plan) -> str:
    """One sentence on what the model answers."""
    wanted = plan.target if plan.yes is None else f"how likely it is that {_said_yes(plan)}"
    return f"Predicts {wanted}; say here whom it helps to decide what."


def _said_yes(plan: Plan) -> str:
    return f"{plan.target} is {plan.yes}"


def _data(head: Head, plan: Plan, rules: Any, look: Look) -> dict[str, Any]:
    named = names(plan)
    binary = plan.yes is not None
    data: dict[str, Any] = {
        "name": head.name,
        "owner": head.owner,
        "language": head.language,
        "task": "binary_classification" if binary else "regression",
        "description": head.description,
        "datasets": [head.dataset],
        "input": {each.name: _input(each, look.example) for each in plan.inputs},
        "output": {named["output"]: _output(plan, rules)},
        "evaluation": {
            "holdout": "evaluation/holdout.csv",
            "target": named["actual"],
            "metric": named["metric"],
            "also": ["brier", "roc_auc"] if binary else ["rmse", "bias"],
            "unit": named["unit"],
            "baselines": {named["baseline_name"]: named["baseline"]},
        },
        "serving": {"workers": 1, "timeout_seconds": 10, "max_rows": 1000},
    }
    if plan.time:
        data["monitoring"] = {
            "timestamp": named["time"],
            "chunk": look.chunks.get(plan.time, UNKNOWN_CHUNK),
            "reference": "evaluation/reference.csv",
            "analysis": "evaluation/analysis.csv",
            "target": named["actual"],
        }
    data["parameters"] = {"train.ridge": _ridge(head.owner)}
    data["tune"] = {"parameters": {"train.ridge": {"log": True}}}
    return data


def _ridge(owner: str) -> dict[str, Any]:
    return {
        "type": "number",
        "minimum": 0.001,
        "maximum": 1000000,
        "owner": owner,
        "description": "How far the weights are drawn towards zero",
    }


def _input(column: Input, example: Mapping[str, str]) -> dict[str, Any]:
    rules = column.rules
    found: dict[str, Any] = {"type": column.kind}
    for key in ("unit", "minimum", "maximum", "categories", "description"):
        value = getattr(rules, key)
        if value is not None:
            found[key] = _plain(value)
    if rules.missing > 0:
        found["nullable"] = True
    if rules.pii:
        found["pii"] = True
    if column.header in example and not rules.pii:
        found["example"] = _typed(example[column.header], column.kind)
    return found


def _output(plan: Plan, rules: Any) -> dict[str, Any]:
    if plan.yes is not None:
        said = f"Probability that {_said_yes(plan)}"
        return {"type": "number", "minimum": 0, "maximum": 1, "description": said}
    found: dict[str, Any] = {"type": "number"}
    for key in ("unit", "minimum", "maximum", "description"):
        if getattr(rules, key) is not None:
            found[key] = _plain(getattr(rules, key))
    return found


def _typed(value: str, kind: str) -> Any:
    if kind in ("number", "integer"):
        return _plain(float(value))
    return value.lower() == "true" if kind == "boolean" else value


def _plain(value: Any) -> Any:
    """10 rather than 10.0, as a person writes it."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return int(value)
    return value


def _section(key: str, value: Any) -> str:
    text = yaml.safe_dump({key: value}, sort_keys=False, allow_unicode=True, width=92)
    comment = f"\n# {EXPLAINED[key]}\n" if key in EXPLAINED else "\n" if key == "serving" else ""
    return comment + text


def _left_out(left_out: Mapping[str, str]) -> str:
    if not left_out:
        return ""
    lines = [f"#   {header}: {reason}\n" for header, reason in left_out.items()]
    return "# Left out of the input:\n" + "".join(lines)
