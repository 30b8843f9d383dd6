"""What people get wrong: one sentence, the right exit code, and nothing changed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import LANGUAGES, Make
from tests.support.command import Done, mlops, result
from tests.support.linear import PREDICT_FILES, TRAIN_FILES
from tests.support.repositories import SOURCE, git

EXITS = {
    "python": "import sys\nsys.exit('the shops are closed')\n",
    "r": "stop('the shops are closed')\n",
    "julia": 'error("the shops are closed")\n',
}
NO_MODEL = {
    "python": "open('metrics.json', 'w').write('{\"mae\": 1}')\nimport os\nos.mkdir('artifact')\n",
    "r": "writeLines('{\"mae\": 1}', 'metrics.json')\ndir.create('artifact')\n",
    "julia": 'write("metrics.json", "{\\"mae\\": 1}")\nmkdir("artifact")\n',
}
NAN_METRIC = {
    "python": "with open('metrics.json', 'w') as file:\n    file.write('{\"mae\": NaN}')\n",
    "r": "writeLines('{\"mae\": NaN}', 'metrics.json')\n",
    "julia": 'write("metrics.json", string("{\\"mae\\": ", NaN, "}"))\n',
}
EMPTY_TABLES = {
    "python": "for each in ('holdout', 'reference', 'analysis'):\n"
    "    os.makedirs('evaluation', exist_ok=True)\n"
    "    open(f'evaluation/{each}.csv', 'w').write('price\\n')\n",
    "r": "dir.create('evaluation')\n"
    "for (each in c('holdout', 'reference', 'analysis'))\n"
    "  writeLines('price', file.path('evaluation', paste0(each, '.csv')))\n",
    "julia": 'mkpath("evaluation")\n'
    'for each in ("holdout", "reference", "analysis")\n'
    '    write("evaluation/$each.csv", "price\\n")\n'
    "end\n",
}
SYNTAX_ERROR = {
    "python": "def predict(:\n",
    "r": "predict_rows <- function(\n",
    "julia": "f(x = \n",
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_training_that_fails_is_said_in_a_sentence(make: Make, language: str) -> None:
    repository, name = make(language), f"sales-{language}"
    script = repository.model_dir(name) / TRAIN_FILES[language]
    good = script.read_text()

    script.write_text(EXITS[language])
    done = mlops(repository.root, "train", name, "--json")
    assert done.error == "pipeline_failed"
    assert "the shops are closed" in done.message

    script.write_text(NO_MODEL[language] + EMPTY_TABLES[language])
    assert mlops(repository.root, "train", name, "--json").error == "no_artifact"

    script.write_text(good + NAN_METRIC[language])
    done = mlops(repository.root, "train", name, "--json")
    assert done.error == "bad_metrics"
    assert "mae" in done.message

    for command in ("evaluate", "gate", "package", "deploy"):
        assert mlops(repository.root, command, name, "--json").error == "no_candidate"
    script.write_text(good)
    assert result(repository.root, "train", name)["model"] == name


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_predict_file_that_is_no_code_is_found_by_check(make: Make, language: str) -> None:
    repository, name = make(language), f"sales-{language}"
    file = repository.model_dir(name) / PREDICT_FILES[language]
    for source in (SYNTAX_ERROR[language], "\n"):
        file.write_text(source)
        done = mlops(repository.root, "check", name, "--json")
        assert done.code == 1
        [problem] = done.json
        assert set(problem) >= {"file", "key", "problem"}
        assert problem["file"] == f"models/{name}/{file.name}"


def test_a_broken_contract_is_found_by_key(make: Make) -> None:
    repository = make("python")
    file = repository.model_dir("sales-python") / "model.yaml"
    good = file.read_text()
    for changed, key in [
        (good.replace("owner:", "ownr:"), "ownr"),
        (good.replace("task: regression\n", ""), "task"),
        (good.replace("maximum: 100", "maximum: -100"), "input.price"),
        (good.replace("- sales", "- sails"), "datasets"),
    ]:
        file.write_text(changed)
        done = mlops(repository.root, "check", "--json")
        assert done.code == 1
        assert any(key in problem["key"] for problem in done.json), done.stdout
        assert all(problem["file"] == "models/sales-python/model.yaml" for problem in done.json)


@pytest.mark.parametrize(
    "command", ["check", "train", "evaluate", "gate", "package", "deploy", "rollback", "drift"]
)
@pytest.mark.parametrize("name", ["no-such-model", "../sales-python", "Sales"])
def test_an_unknown_model_is_refused(unchanged: Path, command: str, name: str) -> None:
    done = mlops(unchanged, command, name, "--json")
    assert done.error == "unknown_model"
    assert repr(name) in done.message
    assert git(unchanged, "status", "--porcelain") == ""


def test_bad_arguments_are_2(unchanged: Path) -> None:
    for arguments in (["train"], ["nonsense"], ["train", "a", "b"], ["plan"], ["status", "--jsn"]):
        done = mlops(unchanged, *arguments, "--json")
        assert done.code == 2, arguments
        assert done.json["error"]["code"] == "usage"
        assert mlops(unchanged, *arguments).code == 2


def test_errors_for_people_are_one_sentence_on_stderr(unchanged: Path) -> None:
    done = mlops(unchanged, "train", "no-such-model")
    assert (done.code, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: There is no model 'no-such-model'")
    assert done.stderr.count("\n") == 1


def test_a_command_outside_a_repository_is_refused(tmp_path: Path) -> None:
    for command in (["models"], ["status"], ["train", "sales"]):
        assert mlops(tmp_path, *command, "--json").error == "no_repository"
    assert list(tmp_path.iterdir()) == []


def test_a_command_works_in_a_folder_of_the_repository(unchanged: Path) -> None:
    assert len(result(unchanged / "models" / "sales-r", "models")) == 3


@pytest.mark.parametrize("language", ["r", "julia"])
def test_a_missing_language_is_named(unchanged: Path, tmp_path: Path, language: str) -> None:
    """With no program on the PATH, and none beside Python, where setup puts them."""
    python = tmp_path / "python"
    python.symlink_to(Path(sys.executable).resolve())
    packages = os.pathsep.join([str(SOURCE), *(path for path in sys.path if path)])
    for command in ("train", "deploy"):
        call = subprocess.run(
            [
                python,
                "-c",
                "from ci.cli import main; main()",
                command,
                f"sales-{language}",
                "--json",
            ],
            cwd=unchanged,
            env={**os.environ, "PATH": str(tmp_path), "PYTHONPATH": packages},
            capture_output=True,
            text=True,
            check=False,
        )
        done = Done(call.returncode, call.stdout, call.stderr)
        assert done.error == "missing_toolchain", done
        assert {"r": "Rscript", "julia": "julia"}[language] in done.message


def test_what_was_never_trained_or_deployed_is_said(unchanged: Path, tmp_path: Path) -> None:
    for command, code in [
        ("evaluate", "no_candidate"),
        ("gate", "no_candidate"),
        ("package", "no_candidate"),
        ("deploy", "no_candidate"),
        ("drift", "no_candidate"),
        ("rollback", "not_deployed"),
    ]:
        assert mlops(unchanged, command, "sales-python", "--json").error == code, command
    files: list[str | Path] = ["--input", tmp_path / "in.csv", "--output", tmp_path / "out.csv"]
    done = mlops(unchanged, "score", "sales-python", *files, "--json")
    assert done.error == "not_deployed"
    assert result(unchanged, "status") == []
    assert mlops(unchanged, "plan", "--base", "no-such-branch", "--json").error == "unknown_base"


def test_parameters_out_of_their_range_are_found_by_check(make: Make) -> None:
    repository = make("python")
    folder = repository.model_dir("sales-python")
    (folder / "params.yaml").write_text("train:\n  shrinkage: 1.5\n")
    done = mlops(repository.root, "check", "--json")
    assert done.code == 1
    [problem] = done.json
    assert problem["file"] == "models/sales-python/params.yaml"
    assert problem["key"] == "train.shrinkage"


def test_data_that_breaks_its_contract_stops_the_training(make: Make) -> None:
    repository = make("python")
    table = repository.root / "data" / "sales" / "tables" / "sales.csv"
    lines = table.read_text().splitlines()
    lines[1] = lines[1].rpartition(",")[0] + ",many"
    os.chmod(table, 0o644)
    table.write_text("\n".join(lines) + "\n")
    done = mlops(repository.root, "train", "sales-python", "--json")
    assert done.error == "bad_data"
    assert "units" in done.message
    assert not (repository.model_dir("sales-python") / "artifact").exists()


@pytest.mark.parametrize("server", ["http://somebody:secret@127.0.0.1:9", ""])
def test_a_registry_that_can_not_be_read_is_no_defect_of_the_platform(
    make: Make, server: str
) -> None:
    repository = make("python")
    repository.state_dir.mkdir(exist_ok=True)
    (repository.state_dir / "mlflow.db").write_bytes(b"no database" * 99)
    env = {"MLFLOW_TRACKING_URI": server, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    done = mlops(repository.root, "start", "sales-python", "--json", env=env)
    assert done.error == "registry_unreachable"
    where = "of MLFLOW_TRACKING_URI" if server else ".mlops/mlflow.db"
    assert f"The registry {where} could not be read" in done.message
    assert ("`mlops registry rebuild`" in done.message) != bool(server)
    assert "secret" not in done.message
