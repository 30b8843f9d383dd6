"""`model.yaml`: the one platform file that an analyst writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from ci.contract.base import Contract, Name, TablePath, Text, misfit
from ci.contract.batch import Batch
from ci.contract.columns import Column, ColumnName, Parameter, Scalar
from ci.contract.probabilities import probabilities_of, require_probabilities
from ci.contract.retraining import Retraining
from ci.contract.tuning import Tuning, dimensions
from ci.yaml_file import Problem, ProblemsError, parse, read_yaml

if TYPE_CHECKING:
    from pathlib import Path

    from ci.repository import Repository

Language = Literal["python", "r", "julia"]
Task = Literal[
    "regression", "binary_classification", "multiclass_classification", "ranking", "segmentation"
]

PREDICT_FILES: dict[str, str] = {"python": "predict.py", "r": "predict.R", "julia": "predict.jl"}
ARTIFACT = "artifact"
METRICS = "metrics.json"

METRICS_OF_TASK: dict[str, tuple[str, ...]] = {
    "regression": ("mae", "rmse", "wape", "bias"),
    "binary_classification": ("log_loss", "brier", "accuracy", "f1", "roc_auc"),
    "multiclass_classification": ("accuracy",),
    "ranking": ("precision", "hit_rate", "ndcg"),
    "segmentation": ("spend_explained",),
}


class Evaluation(Contract):
    """How a candidate is judged; paths are relative to the model's folder."""

    holdout: TablePath
    """The table that the pipeline writes for judging: inputs, target, units, baselines."""
    target: ColumnName
    """Holdout column with what really happened."""
    metric: Text
    """The primary metric: it decides. One of the task's metrics."""
    also: list[Text] = []
    """Further metrics of the task, shown beside it."""
    unit: ColumnName
    """Holdout column whose values the bootstrap resamples, since its rows are not independent."""
    check_units: list[ColumnName] = []
    """Further bootstrap units; reported beside the first, they decide nothing."""
    slices: list[ColumnName] = []
    """Holdout columns; the metric is computed for each of their values."""
    baselines: dict[Text, ColumnName]
    """Name of a simple rule to the holdout column with its predictions; at least one."""
    floors: dict[Text, float] = {}
    """Metric of metrics.json to its least allowed value."""

    @model_validator(mode="after")
    def _has_baseline(self) -> Self:
        if not self.baselines:
            raise ValueError("name at least one baseline: a first version must beat something")
        return self

    def columns(self) -> list[str]:
        """Holdout columns that are needed beside the inputs."""
        named = [self.target, self.unit, *self.check_units, *self.slices, *self.baselines.values()]
        return list(dict.fromkeys(named))


class Serving(Contract):
    """Limits of the deployed API."""

    workers: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes of the model that answer side by side."""
    timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 10.0
    """A request that takes longer is answered with 504."""
    max_rows: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """Most rows in one request."""
    max_body_bytes: Annotated[int, Field(ge=1024, le=1 << 30)] = 4 << 20
    """Largest body of a request."""
    max_memory_bytes: Annotated[int, Field(ge=1 << 28, le=1 << 40)] = 4 << 30
    """Most memory that one process of the model may take; a call that needs more fails."""
    max_concurrent: Annotated[int, Field(ge=1, le=10_000)] = 256
    """Most calls that are under way at a time; one more is answered with 503 and `Retry-After`."""


class Artifact(Contract):
    """What is known of the files that training writes to `artifact/`."""

    may_run_code: list[Text] = []
    """Files, relative to `artifact/`, that may be in a format that runs code when it is loaded."""


class Outcomes(Contract):
    """Where what really happened arrives, after the prediction."""

    table: TablePath
    """Table with the key and the target, relative to the model's folder; rows may come late,
    twice or never."""
    key: Annotated[list[ColumnName], Field(min_length=1)]
    """Columns by which an outcome is found for a prediction: of the analysis table, or of a
    logged call its inputs, `request_id` and `row` (from 1)."""
    arrived: ColumnName | None = None
    """ISO date column that says which of several outcomes came last; without it, the lowest."""


class Monitoring(Contract):
    """NannyML's reference and analysis periods; paths are relative to the model's folder."""

    timestamp: ColumnName
    """ISO date column of both periods."""
    chunk: Literal["day", "week", "month", "quarter"] | Annotated[int, Field(ge=10)]
    """What is compared at a time: a calendar period, or a number of rows."""
    reference: TablePath
    """Table of the period that counts as normal."""
    analysis: TablePath
    """Table of the period that is checked."""
    target: ColumnName | None = None
    """Column with what really happened, where it is known; gives realised performance."""
    outcomes: Outcomes | None = None
    """Where that arrives later, in a table of its own; the reference has it in its own column."""

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.outcomes is not None and self.target is None:
            raise ValueError("outcomes need target, the name of their column")
        return self


class ModelContract(Contract):
    """A whole `model.yaml`. ``input`` and ``output`` keep the order of the file."""

    name: Name
    """The name of its folder in models/."""
    owner: Name
    """The team that answers for the model."""
    language: Language
    """What its training and predict files are written in."""
    task: Task
    """What kind of answer it gives; decides which metrics and outputs fit."""
    description: Text
    """One sentence for people who do not program."""
    datasets: Annotated[list[Name], Field(min_length=1)]
    """Folders in data/ that its pipeline reads."""
    depends_on: list[Name] = []
    """Other models whose outputs its pipeline reads."""
    input: dict[ColumnName, Column]
    """Column name to its rules, in the order in which the predict file gets them."""
    output: dict[ColumnName, Column]
    """Column name to its rules; exactly one, but for a ranking. A multiclass_classification may
    answer the probability of each class beside it, in columns that follow."""
    evaluation: Evaluation
    """How a candidate is judged."""
    serving: Serving = Serving()
    """Limits of the deployed API."""
    artifact: Artifact = Artifact()
    """What is known of the trained files."""
    batch: Batch | None = None
    """What is scored, when, and where the predictions go."""
    monitoring: Monitoring | None = None
    """What is checked for drift."""
    parameters: dict[Text, Parameter] = {}
    """Key of params.yaml, with dots, to its rules."""
    tune: Tuning | None = None
    """What `mlops tune` tries."""
    retraining: Retraining | None = None
    """When it is trained again by itself; absent: never."""

    @model_validator(mode="after")
    def _can_be_tuned(self) -> Self:
        if self.tune is not None:
            dimensions(self.tune, self.parameters)
        return self

    @model_validator(mode="after")
    def _fits_task(self) -> Self:
        if not self.input or not self.output:
            raise misfit("there must be at least one column", "output" if self.input else "input")
        both = sorted(set(self.input) & set(self.output))
        if both:
            raise misfit(f"{both[0]} is an input column too; rename one", "output", both[0])
        if self.evaluation.target in self.input:
            raise misfit(
                f"{self.evaluation.target} is an input too: the model would be given what it has "
                "to predict; take it out of the input",
                "evaluation",
                "target",
            )
        require_probabilities(self.task, self.input, self.output)
        if self.task != "ranking" and len(self.output) != 1 + len(self.probabilities):
            raise misfit(f"a {self.task} model has exactly one output column", "output")
        allowed = METRICS_OF_TASK[self.task]
        for key, names in (
            ("metric", [self.evaluation.metric]),
            ("also", self.evaluation.also),
        ):
            wrong = [name for name in names if name not in allowed]
            if wrong:
                text = f"{wrong[0]!r} is no metric of {self.task}; use {', '.join(allowed)}"
                raise misfit(text, "evaluation", key)
        self._output_type_fits_task()
        dataset = self.batch.input.dataset if self.batch else None
        if dataset is not None and dataset not in self.datasets:
            text = f"the dataset {dataset} is read; name it under datasets as well"
            raise misfit(text, "batch", "input", "dataset")
        return self

    def _output_type_fits_task(self) -> None:
        allowed: tuple[str, ...] = {
            "regression": ("number", "integer"),
            "binary_classification": ("number",),
            "multiclass_classification": ("string", "integer"),
            "segmentation": ("string", "integer"),
        }.get(self.task, ("string", "integer"))
        for name, column in self.output.items():
            if column.probability_of is None and column.type not in allowed:
                text = f"an output of a {self.task} model is {' or '.join(allowed)}"
                raise misfit(f"{text}, not {column.type}", "output", name, "type")

    @property
    def answer(self) -> str:
        """The output column with the answer itself; of a ranking the first."""
        return next(iter(self.output))

    @property
    def probabilities(self) -> dict[str, str]:
        """Each class, as text, and the output column with its probability."""
        return probabilities_of(self.output)

    @property
    def predict_file(self) -> str:
        """Name of the predict file in the model's folder."""
        return PREDICT_FILES[self.language]

    def example_row(self) -> dict[str, Scalar | None]:
        """A row that the contract allows, one value an input column."""
        return {name: column.sample() for name, column in self.input.items()}


def load_model_contract(repository: Repository, name: str) -> ModelContract:
    """The contract of an existing model.

    Raises:
        MlopsError: ``unknown_model``.
        ProblemsError: ``bad_contract`` or ``bad_yaml``, with file, line and key.
    """
    folder = repository.model_dir(name)
    contract = read_model_contract(
        folder / "model.yaml", repository.relative(folder / "model.yaml")
    )
    if contract.name != name:
        problem = f"must be {name!r}, the name of its folder (found {contract.name!r})."
        raise ProblemsError(
            "bad_contract",
            [Problem(repository.relative(folder / "model.yaml"), "name", problem)],
        )
    return contract


def read_model_contract(path: Path, name: str) -> ModelContract:
    """The contract in the file ``path``, which errors call ``name``.

    Raises:
        ProblemsError: ``bad_contract`` or ``bad_yaml``, with file, line and key.
    """
    return parse(read_yaml(path, name), ModelContract, "bad_contract")
