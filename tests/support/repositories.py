"""Small repositories for tests: a Git checkout with policies, data and models of our making."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from ci.repository import Repository

SOURCE = Path(__file__).parents[2]


def new_repository(root: Path) -> Repository:
    """An empty repository at ``root`` with this project's policies and DVC settings, committed."""
    root.mkdir(parents=True, exist_ok=True)
    shutil.copytree(SOURCE / "policies", root / "policies")
    (root / ".dvc").mkdir()
    for name in ("config", ".gitignore"):
        shutil.copy(SOURCE / ".dvc" / name, root / ".dvc" / name)
    (root / ".dvcignore").touch()
    (root / ".gitignore").write_text(".mlops/\n__pycache__/\n")
    (root / "models").mkdir()
    (root / "data").mkdir()
    git(root, "init", "-q", "-b", "main")
    commit_all(root)
    return Repository(root)


def own_ports(root: Path, hundred: int) -> int:
    """Give a test worker's repository ports that nobody else has; returns the one for callers.

    The ports of the policy, 7100 to 7199, move to ``hundred`` and the hundreds after it.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    own = hundred // 100 + worker
    policy = root / "policies" / "deployment.yaml"
    policy.write_text(re.sub(r"\b71(\d\d)\b", rf"{own}\1", policy.read_text()))
    return own * 100


def git(root: Path, *arguments: str) -> str:
    """Run git as a made-up author; returns its output."""
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=root, check=True, capture_output=True, text=True
    )
    return done.stdout


def commit_all(root: Path, message: str = "change") -> str:
    """Commit everything that is not ignored; returns the commit."""
    git(root, "add", "-A")
    git(root, "commit", "-q", "--allow-empty", "-m", message)
    return git(root, "rev-parse", "HEAD").strip()


def contract(name: str, **changes: object) -> dict[str, Any]:
    """A valid model.yaml as plain data; ``changes`` replace top-level keys (None removes one)."""
    base: dict[str, object] = {
        "name": name,
        "owner": "marketing",
        "language": "python",
        "task": "regression",
        "description": "Twice the input, for tests.",
        "datasets": ["sales"],
        "input": {"x": {"type": "number", "unit": "dollars", "minimum": 0, "maximum": 100}},
        "output": {"y": {"type": "number", "unit": "dollars"}},
        "evaluation": {
            "holdout": "evaluation/holdout.csv",
            "target": "actual",
            "metric": "mae",
            "unit": "store",
            "baselines": {"mean": "mean_so_far"},
        },
    }
    return {key: value for key, value in {**base, **changes}.items() if value is not None}


def write_model(repository: Repository, name: str, **changes: object) -> Path:
    """A model folder with a contract and a pipeline that nobody runs."""
    folder = repository.models_dir / name
    folder.mkdir(parents=True)
    (folder / "model.yaml").write_text(yaml.safe_dump(contract(name, **changes), sort_keys=False))
    stage = {
        "cmd": "python train.py",
        "deps": ["train.py", "../../data/sales/tables/sales.csv"],
        "outs": ["artifact", "evaluation/holdout.csv"],
        "metrics": [{"metrics.json": {"cache": False}}],
    }
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"train": stage}}))
    (folder / "train.py").write_text("print('training')\n")
    (folder / "predict.py").write_text(
        "def load_model(directory):\n    return 2.0\n\n\n"
        "def predict(model, rows):\n    return rows['x'] * model\n"
    )
    (folder / "README.md").write_text("# Card\n")
    return folder


def write_dataset(repository: Repository, name: str, digest: str = "0" * 32) -> Path:
    """A dataset folder as Git sees it: a contract and the digest that DVC recorded."""
    folder = repository.data_dir / name
    (folder / "tables").mkdir(parents=True)
    (folder / "dataset.yaml").write_text(f"name: {name}\n")
    tracked = {"outs": [{"md5": digest, "size": 1, "hash": "md5", "path": f"{name}.csv"}]}
    (folder / "tables" / f"{name}.csv.dvc").write_text(yaml.safe_dump(tracked))
    return folder


def copy_of_sources(repository: Repository, root: Path) -> Repository:
    """What a person would check out of ``repository`` in ``root``, and the tables of its data.

    What pipelines wrote (models, DVC's cache and records) stays behind.
    """
    listed = git(repository.root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    kept = ("models/", "data/", "policies/", ".dvc/", ".dvcignore")
    files = {repository.root / name for name in listed.split("\0") if name.startswith(kept)}
    files = {path for path in files if not path.match("models/*/dvc.lock")}
    files |= set(repository.data_dir.glob("*/tables/*"))
    for path in sorted(file for file in files if file.is_file()):
        copy = root / path.relative_to(repository.root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    git(root, "init", "-q", "-b", "main")
    return Repository(root)
