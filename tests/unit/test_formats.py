"""In which formats a model may be: found by content, named in a sentence, never loaded."""

from __future__ import annotations

import collections
import gzip
import io
import os
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml

from ci.check import check
from ci.contract.model import ModelContract, load_model_contract
from ci.contract.policy import load_policy
from ci.contract.trust import TrustPolicy
from ci.errors import MlopsError
from ci.repository import Repository
from ci.review.scope import scope_of
from ci.review.source import source
from ci.trust.artifact import refusals, require_loadable
from ci.trust.pickles import imports
from tests.support.repositories import (
    commit_all,
    contract,
    git,
    new_repository,
    write_dataset,
    write_model,
)

MARK = Path("was-loaded")


class Runs:
    """Loading its pickle writes a file: the proof that nobody did."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {MARK.absolute()}",)


def packed_zip(files: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def npy(array: np.ndarray) -> bytes:
    target = io.BytesIO()
    np.save(target, array, allow_pickle=True)
    return target.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    target = io.BytesIO()
    np.savez(target, allow_pickle=True, **arrays)
    return target.getvalue()


GOOD_PICKLE = pickle.dumps(
    {"weights": np.arange(3.0), "names": collections.OrderedDict(a=1), "scale": np.float64(2)}
)
BAD_PICKLE = pickle.dumps(Runs())
PLAIN_TEXT_PICKLE = pickle.dumps(Runs(), protocol=0)
# Two names are pushed and dropped again, so that a reader who only looks back is led astray.
MISLEADING = (
    b"\x80\x04\x8c\x05posix\x8c\x06system\x8c\x0bcollections\x8c\x0bOrderedDict00\x93"
    b"\x8c\x04true\x85R."
)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    made = new_repository(tmp_path / "repository")
    write_dataset(made, "sales")
    write_model(made, "first")
    (made.models_dir / "first" / "params.yaml").write_text("{}\n")
    monkeypatch.chdir(tmp_path)
    return made


def found(repository: Repository, name: str, content: bytes, *allowed: str) -> str:
    """What is said of one file of an artifact; empty where it may be loaded."""
    folder = repository.models_dir / "first" / "artifact"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_bytes(content)
    rules = contract("first", artifact={"may_run_code": list(allowed)})
    policy = load_policy(repository, TrustPolicy)
    said = refusals(policy, ModelContract.model_validate(rules), folder)
    assert not MARK.exists()
    assert [each.file for each in said] in ([], [name])
    return said[0].problem if said else ""


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("line.csv", b"category,weight\nA,1\nB,2\n"),
        ("ids.csv", b"id,value\n1,2\n"),
        ("empty.txt", b""),
        ("model.json", b'{"a": 1}'),
        ("umlaut.txt", "Größe".encode()),
        ("weights.npy", npy(np.arange(4))),
        ("weights.npz", npz(a=np.arange(4), b=np.ones(2))),
        ("table.parquet", b"PAR1" + b"\0" * 20 + b"PAR1"),
        ("weights.safetensors", (8).to_bytes(8, "little") + b'{"a":{}}'),
        ("rows.csv.gz", gzip.compress(b"a,b\n1,2\n", mtime=0)),
        ("deep/line.csv", b"a\n1\n"),
    ],
)
def test_data_may_be_loaded(repository: Repository, name: str, content: bytes) -> None:
    assert found(repository, name, content) == ""


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("model.pkl", GOOD_PICKLE, "is a pickle"),
        ("model.bin", GOOD_PICKLE, "is a pickle"),
        ("model.csv", GOOD_PICKLE, "is a pickle"),
        ("notes.txt", PLAIN_TEXT_PICKLE, "is a pickle"),
        ("model.joblib", b"anything", "is a pickle"),
        ("model.pkl.gz", gzip.compress(GOOD_PICKLE, mtime=0), "is a pickle"),
        ("model.gz", gzip.compress(GOOD_PICKLE, mtime=0), "holds 'model', which is a pickle"),
        ("objects.npy", npy(np.array([{}], dtype=object)), "is a pickle"),
        ("objects.npz", npz(a=np.array([{}], dtype=object)), "holds 'a.npy', which is a pickle"),
        ("model.pt", packed_zip({"m/data.pkl": GOOD_PICKLE}), "holds 'm/data.pkl', which is"),
        ("model.keras", packed_zip({"config": BAD_PICKLE}), "holds 'config', which is a pickle"),
        ("model.rds", gzip.compress(b"X\n\0\0\0\x03", mtime=0), "is R's own format"),
        ("model.csv", b"X\n\0\0\0\x03", "is R's own format"),
        ("model.jls", b"7JL\x0f", "is Julia's own format"),
        ("model.dat", b"7JL\x0f", "is Julia's own format"),
        ("model.bin", b"\0\1\2\3", "not known here"),
        ("model.onnx", b"\x08\x07\x12\0", "is onnx"),
        ("model.h5", b"\x89HDF\r\n\x1a\n\0", "is hdf5"),
        ("zip.zip", b"PK\x03\x04broken", "can't be looked at"),
        ("bomb.gz", gzip.compress(b"\0" * (1 << 28) + b"\0", mtime=0), "larger than"),
        ("twice.zip", packed_zip({"a.zip": packed_zip({"m.pkl": BAD_PICKLE})}), "packed twice"),
    ],
)
def test_what_may_run_code_or_is_not_known_is_refused(
    repository: Repository, name: str, content: bytes, said: str
) -> None:
    assert said in found(repository, name, content)


def test_a_pickle_that_the_contract_allows_may_import_what_the_policy_does(
    repository: Repository,
) -> None:
    assert found(repository, "model.pkl", GOOD_PICKLE, "model.pkl") == ""
    assert found(repository, "m.pt", packed_zip({"m/data.pkl": GOOD_PICKLE}), "m.pt") == ""
    assert found(repository, "model.rds", gzip.compress(b"X\n\0\0\0"), "model.rds") == ""
    assert "is a pickle" in found(repository, "model.pkl", GOOD_PICKLE, "other.pkl")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (BAD_PICKLE, "imports posix.system"),
        (PLAIN_TEXT_PICKLE, "imports posix.system"),
        (GOOD_PICKLE + BAD_PICKLE, "imports posix.system"),
        (MISLEADING, "can't be read from it"),
        (GOOD_PICKLE + b"raw bytes of an array", "can't be scanned"),
        (b"\x80\x04\x82\x01.", "can't be read from it"),
        (b"c__builtin__\neval\n.", "imports __builtin__.eval"),
        (b"\x80\x04\x8c\x07sklearn\x8c\x0autils.os.a\x93.", "imports sklearn.utils.os.a"),
        (b"\x80\x04\x8c\x07sklearn\x8c\x0fshow_versions__\x93.", "imports sklearn.show_versions__"),
        (b"\x80\x04\x8c\x09sklearn_x\x8c\x04Tree\x93.", "imports sklearn_x.Tree"),
        (b"not a pickle", "can't be scanned"),
    ],
)
def test_an_allowed_pickle_is_still_read(repository: Repository, content: bytes, said: str) -> None:
    assert said in found(repository, "model.pkl", content, "model.pkl")
    inside = packed_zip({"m/data.pkl": content})
    assert said in found(repository, "model.pt", inside, "model.pt")


def test_a_name_that_was_kept_and_is_called_up_again_is_read() -> None:
    pickled = pickle.dumps([np.float64, np.float32, np.float64], protocol=4)
    assert imports(pickled) == ["numpy:float32", "numpy:float64"]


def test_a_classifier_of_scikit_learn_is_taken_once_it_is_allowed(repository: Repository) -> None:
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.linear_model import LogisticRegression

    rows = np.arange(20.0).reshape(10, 2)
    for model in (LogisticRegression(), RandomForestRegressor(3)):
        content = pickle.dumps(model.fit(rows, [0, 1] * 5))
        assert found(repository, "model.pkl", content, "model.pkl") == ""


def test_what_joblib_mixed_is_refused_until_it_is_written_as_the_sentence_says(
    repository: Repository, tmp_path: Path
) -> None:
    import joblib
    from sklearn.ensemble import RandomForestRegressor

    rows = np.arange(20.0).reshape(10, 2)
    model = RandomForestRegressor(3).fit(rows, [0, 1] * 5)
    path = tmp_path / "model.joblib"
    joblib.dump(model, path)
    said = found(repository, "model.joblib", path.read_bytes(), "model.joblib")
    assert "pickle.dump(model, file)" in said
    assert "joblib.load and pickle.load both read that file" in said
    with open(path, "wb") as file:
        pickle.dump(model, file)
    assert found(repository, "model.joblib", path.read_bytes(), "model.joblib") == ""
    assert np.array_equal(joblib.load(path).predict(rows), model.predict(rows))


def train(repository: Repository, content: bytes) -> None:
    folder = repository.models_dir / "first" / "artifact"
    folder.mkdir()
    (folder / "model.pkl").write_bytes(content)


def allow(repository: Repository) -> None:
    path = repository.models_dir / "first" / "model.yaml"
    path.write_text(
        yaml.safe_dump(contract("first", artifact={"may_run_code": ["model.pkl"]}), sort_keys=False)
    )


def of_the_artifact(repository: Repository) -> list[str]:
    """What `mlops check` says of the trained file."""
    file = "models/first/artifact/model.pkl"
    return [each.problem for each in check(repository, "first") if each.file == file]


def test_check_and_every_command_that_loads_a_model_say_which_file_and_what_to_type(
    repository: Repository,
) -> None:
    train(repository, GOOD_PICKLE)
    (problem,) = of_the_artifact(repository)
    assert "artifact.may_run_code" in problem
    rules = load_model_contract(repository, "first")
    folder = repository.models_dir / "first" / "artifact"
    with pytest.raises(MlopsError, match=r"first/artifact/model\.pkl is a pickle.*mlops train"):
        require_loadable(repository, rules, folder)
    allow(repository)
    assert of_the_artifact(repository) == []
    require_loadable(repository, load_model_contract(repository, "first"), folder)


def test_reviewers_see_at_the_top_that_a_file_may_run_code(
    repository: Repository, tmp_path: Path
) -> None:
    commit_all(repository.root)
    git(repository.root, "checkout", "-q", "-b", "work")
    allow(repository)
    head = commit_all(repository.root)
    git(repository.root, "checkout", "-q", "main")
    notices = scope_of(repository, source(repository, head, tmp_path / "merged")).notices
    assert any("run code when they are loaded** (model.pkl)" in each for each in notices)
