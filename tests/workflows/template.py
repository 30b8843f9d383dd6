"""A repository as just made from the template: the platform of this checkout, small models."""

from __future__ import annotations

import hashlib
import inspect
import shutil
import subprocess
from pathlib import Path

import yaml

from ci.repository import Repository
from tests.support import linear
from tests.support.repositories import SOURCE, commit_all, git, own_ports

PLATFORM = ("ci", "bentos", "policies", ".github", ".dvc/config", ".dvc/.gitignore", ".dvcignore")
FILES = (".gitignore", ".gitattributes", "pyproject.toml", "Makefile")
INGEST = """\
import csv
import random
from datetime import date, timedelta
from pathlib import Path

STORES, DAYS = {stores}, {days}
SHIFT = {shift}


{function}

Path("tables").mkdir(exist_ok=True)
write_sales(Path("tables/sales.csv"))
"""
STAGE = {
    "cmd": "python ingest.py",
    "deps": ["ingest.py"],
    "outs": ["tables/sales.csv"],
}
DATASET = {
    "name": "sales",
    "description": "Prices and units of thirty stores on sixty days.",
    "owner": "data",
    "source": "Made up by ingest.py.",
    "licence": "none",
    "pii": "none",
    "retention": "Made anew at any time.",
    "tables": {
        "sales": {
            "file": "tables/sales.csv",
            "description": "One row a store and day.",
            "key": ["store", "day"],
            "columns": {
                "store": {"type": "string"},
                "region": {"type": "string", "categories": ["north", "south"]},
                "day": {"type": "timestamp"},
                "price": {"type": "number", "minimum": 0, "maximum": 100},
                "units": {"type": "number", "minimum": -100, "maximum": 1000},
            },
        }
    },
}


def write_template(root: Path, models: dict[str, str]) -> None:
    """Commit the first state at ``root``: ``models`` is name → language."""
    root.mkdir(parents=True)
    for name in _platform_files():
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SOURCE / name, target)
    own_ports(root, 18100)
    _write_dataset(root / "data" / "sales")
    (root / "models").mkdir()
    for name, language in models.items():
        linear.write_linear_model(Repository(root), name, language)
    git(root, "init", "-q", "-b", "main")
    commit_all(root, "Made from the template")


def _platform_files() -> list[str]:
    """Tracked and new files of the working tree: what would be committed."""
    listed = subprocess.run(
        [
            *("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"),
            *("--", *PLATFORM, *FILES),
        ],
        cwd=SOURCE,
        check=True,
        capture_output=True,
        text=True,
    )
    return [name for name in listed.stdout.split("\0") if name and (SOURCE / name).is_file()]


def _write_dataset(folder: Path) -> None:
    (folder / "tables").mkdir(parents=True)
    (folder / "tables" / ".gitignore").write_text("/sales.csv\n")
    (folder / "dataset.yaml").write_text(yaml.safe_dump(DATASET, sort_keys=False))
    function = inspect.getsource(linear.write_sales)
    values = {"stores": linear.STORES, "days": linear.DAYS, "shift": linear.SHIFT}
    (folder / "ingest.py").write_text(INGEST.format(function=function, **values))
    stages = {"stages": {"ingest": STAGE}}
    (folder / "dvc.yaml").write_text(yaml.safe_dump(stages, sort_keys=False))
    table = folder / "tables" / "sales.csv"
    linear.write_sales(table)
    record = {
        "cmd": STAGE["cmd"],
        "deps": [_recorded(folder, "ingest.py")],
        "outs": [_recorded(folder, "tables/sales.csv")],
    }
    table.unlink()
    lock = {"schema": "2.0", "stages": {"ingest": record}}
    (folder / "dvc.lock").write_text(yaml.safe_dump(lock, sort_keys=False))


def _recorded(folder: Path, name: str) -> dict[str, object]:
    content = (folder / name).read_bytes()
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return {"path": name, "hash": "md5", "md5": digest, "size": len(content)}
