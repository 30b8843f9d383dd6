"""Which pages there are, and what each begins with."""

from __future__ import annotations

from ci.contract.dataset import Dataset
from ci.contract.model import METRICS_OF_TASK, ModelContract
from ci.contract.policies import POLICIES
from ci.reference.commands import commands
from ci.reference.http import http
from ci.reference.keys import sections
from ci.reference.markdown import table
from ci.reference.workflows import workflows

FOLDER = "docs/reference"
NOTE = "Written by `python -m ci.reference` from the code; do not edit it by hand."


def pages() -> dict[str, str]:
    """File name → Markdown of every page of docs/reference/."""
    return {
        "cli.md": _page("The command mlops", commands()),
        "model-yaml.md": _page("model.yaml", _model()),
        "dataset-yaml.md": _page("dataset.yaml", _dataset()),
        "policies.md": _page("Policies", _policies()),
        "workflows.md": _page("Workflows", workflows()),
        "http-api.md": _page("The API of a deployed model", http()),
    }


def _page(title: str, *parts: str) -> str:
    return "\n\n".join([f"# {title}", NOTE, *parts]) + "\n"


def _model() -> str:
    begin = (
        "The one platform file of a model, `models/<model>/model.yaml`. A key that is not listed "
        "here is an error; `mlops check` names the nearest one that is."
    )
    metrics = table(["task", "metrics"], [[t, ", ".join(m)] for t, m in METRICS_OF_TASK.items()])
    return f"{begin}\n\n{sections(ModelContract)}\n\n## Metrics of each task\n\n{metrics}"


def _dataset() -> str:
    begin = (
        "The contract of a dataset, `data/<dataset>/dataset.yaml`. `mlops data add` infers a first "
        "one, and `mlops data validate` holds the data to it."
    )
    return f"{begin}\n\n{sections(Dataset)}"


def _policies() -> str:
    begin = "The files in `policies/` decide; `mlops check` validates them."
    parts = [f"## policies/{policy.file}\n\n{sections(policy, 3)}" for policy in POLICIES]
    return "\n\n".join([begin, *parts])
