"""What each command prints with `--json`: where in the document, and what it means.

``[]`` is each item of a list, ``<…>`` a name that is not fixed.
"""

from __future__ import annotations

MEASURE = {
    "name": "the metric",
    "method": "`estimated` or `realised`",
    "chunk": "the chunk",
    "value": "its value there, or null",
    "lower": "the lower limit, or null",
    "upper": "the upper limit, or null",
    "usual": "its mean over the reference's chunks, or null",
    "alert": "whether it is outside its limits",
}
DIFFERENCE = {
    "kind": "`champion` or `baseline`",
    "against": "the rival's name",
    "value": "the rival's value",
    "difference": "how much better the candidate is, in the metric's unit",
    "interval": "its 95 % interval, `[low, high]`, or null",
    "note": "why there is no interval, or what to know of it, or null",
    "verdict": "`better`, `no clear difference`, `worse` or `unknown`",
}


def _under(place: str, inner: dict[str, str]) -> dict[str, str]:
    return {f"{place}.{key}": text for key, text in inner.items()}


def _measures(place: str, what: str) -> dict[str, str]:
    return {place: what, **_under(f"{place}[]", MEASURE)}


SCORED = {
    "rows": "rows scored",
    "quarantined": "rows that break the contract, set aside",
    "seconds": "how long it took",
    "version": "the version that predicted",
    "output": "path of the output, or of the shard's folder",
    "quarantine": "path of the rows set aside, or null",
    "report": "path of the page; null for a shard",
    "spreadsheet": "path of the same as .xlsx; null for a shard",
}

ANSWERS: dict[str, dict[str, str]] = {
    "models": {
        "[].name": "the folder in `models/`",
        "[].language": "`python`, `r` or `julia`",
        "[].owner": "the team that answers for it",
        "[].task": "what kind of answer it gives",
    },
    "check": {
        "[].file": "the file, from the root of the repository",
        "[].key": "the key in it, with dots, or empty",
        "[].problem": "what is wrong with it",
        "[].line": "its line, from 1, or null",
    },
    "plan": {
        "models[].name": "a model that the change touches",
        "models[].reason": "why",
    },
    "new": {"path": "the new folder"},
    "train": {
        "model": "the model",
        "run_id": "its run in MLflow",
        "fingerprint": "digest of all that determines the candidate, 40 hex digits",
        "seconds": "how long the pipeline ran",
        "metrics.<metric>": "what training wrote to metrics.json",
    },
    "evaluate": {
        "model": "the model",
        "metric": "the primary metric, which decides",
        "candidate": "its value for the candidate",
        "champion": "for the champion on the same rows; null where there is none",
        "baseline": "for the best baseline",
        "best_baseline": "that baseline's name",
        "baselines.<baseline>": "for each baseline",
        "against": "what `difference` compares with: `champion`, or a baseline",
        "difference": "how much better the candidate is, in the metric's unit; positive is better",
        "interval": "its 95 % interval, `[low, high]`, or null",
        "note": "why there is no interval, or what to know of it, or null",
        "verdict": "`better`, `no clear difference`, `worse` or `unknown`",
        "origin.fingerprint": "the candidate that was compared",
        "origin.outputs.<file>": "SHA-256 of each file of it",
        "origin.holdout_digest": "SHA-256 of the rows that were compared on",
        "origin.champion_version": "the champion's version, or null",
        "origin.champion_fingerprint": "its fingerprint, or null",
        "origin.champion_problem": "why the champion could not be compared, or null",
        "rows": "rows of the holdout",
        "unit": "the column that the bootstrap resamples",
        "units": "how many different values it has",
        "metrics[].metric": "each metric, the primary one first",
        "metrics[].candidate": "its value for the candidate",
        **_under("metrics[].differences[]", DIFFERENCE),
        "checks": "the primary metric with other bootstrap units",
        "checks[].unit": "the column that is resampled instead",
        "checks[].units": "how many different values it has",
        **_under("checks[].differences[]", DIFFERENCE),
        "slices": "the primary metric in parts of the holdout",
        "slices[].column": "the column that makes the part",
        "slices[].value": "its value there",
        "slices[].rows": "rows of the part",
        "slices[].units": "bootstrap units of the part",
        "slices[].candidate": "the metric for the candidate",
        "slices[].against": "the rival's name",
        "slices[].rival": "the metric for the rival",
        "slices[].difference": "how much better the candidate is",
        "slices[].interval": "its 95 % interval, or null",
        "slices[].note": "why there is no interval, or what to know of it, or null",
        "slices[].verdict": "as above",
        "slices_left_out": "columns with more values than are looked at",
        "slices_left_out.<column>": "how many of its values were left out",
        "reported.<metric>": "what training wrote to metrics.json; it decides nothing but floors",
        "seconds": "how long it took",
    },
    "gate": {
        "model": "the model",
        "fingerprint": "the candidate",
        "champion_version": "the version that it was compared with, or null",
        "verdict": "`pass` or `fail`",
        "rules[].rule": "a rule of the policy",
        "rules[].result": "`pass`, `fail` or `waived`",
        "rules[].detail": "why, in a sentence",
    },
    "package": {
        "bento": "`model:fingerprint`",
        "digest": "SHA-256 over the sorted paths and contents of the Bento",
    },
    "deploy": {
        "model": "the model",
        "version": "the registered version, an integer",
        "url": "the base address; `POST {url}/predict`",
    },
    "status": {
        "[].model": "the model",
        "[].environment": "`production`",
        "[].version": "the version",
        "[].url": "the base address, or null where it is released and not served here",
        "[].state": "`running`, `not ready`, `stopped` or `released`",
        "[].since": "when it was started or released, ISO 8601 in UTC",
    },
    "rollback": {
        "model": "the model",
        "from": "the version that was live",
        "to": "the version that is live now",
    },
    "start": {
        "started": "what was not running before",
        "started[].model": "the model",
        "started[].version": "the version",
        "started[].url": "the base address",
    },
    "stop": {"stopped": "the models whose service was ended"},
    "restore": {
        "commit": "the commit of the state branch, or null where there is none",
        "released[].model": "a model that was released",
        "released[].version": "its version",
        "released[].tag": "the tag of its release",
        "lost[].path": "a file that is stored nowhere",
        "lost[].made": "whether training makes it again",
    },
    "score": SCORED,
    "score-merge": SCORED,
    "drift": {
        "model": "the model",
        "version": "the version that was checked; null for a candidate",
        "alert": "whether this is an alert",
        "headline": "the finding in a sentence",
        "features[].name": "a column",
        "features[].method": "NannyML's method, or the share that was measured",
        "features[].value": "the value in the chunk that is furthest out",
        "features[].threshold": "its threshold",
        "features[].chunk": "that chunk",
        "features[].chunks_over": "all chunks over the threshold",
        "features[].alert": "whether they are an alert",
        "unmeasured": "what the check says nothing about",
        "unmeasured[].name": "columns, with commas",
        "unmeasured[].reason": "why",
        **_measures("performance.estimated", "each chunk, before the outcome is known"),
        **_measures("performance.realised", "each chunk whose outcome is known"),
        **_measures("worse", "realised chunks that are an alert"),
        "performance_note": "why there is no performance, or null",
        "report": "path of the page",
        "plot": "path of the picture",
    },
    "codeowners": {"path": "the file that was written"},
    "data add": {
        "name": "the dataset",
        "path": "its folder",
        "rows": "rows that were read",
        "columns": "their columns",
        "notes": "what was decided about the file's way of writing, in sentences",
    },
    "data push": {"stored": "digests of the files that were not stored before"},
    "data validate": {
        "[].dataset": "the dataset",
        "[].table": "the table",
        "[].column": "the column, or null",
        "[].rule": "the rule that is broken",
        "[].rows": "how many rows break it",
        "[].expected": "what the contract says",
        "[].examples": "up to three rows that break it",
        "[].examples[].row": "the row, from 1 below the header",
        "[].examples[].<column>": "its value there, personal data hidden",
    },
}
