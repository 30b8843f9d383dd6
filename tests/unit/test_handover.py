"""What strangers hand over is checked to the last byte, and nothing of it is believed."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ci.errors import MlopsError
from ci.handover import Limits, read_handover
from tests.support.handovers import (
    BENTO,
    PullRequest,
    pull_request,
    tarred,
    untarred,
    zipped,
)

HOLDOUT, PREDICTIONS = "holdout.csv.gz", "predictions.csv.gz"


@pytest.fixture(scope="module")
def pull(tmp_path_factory: pytest.TempPathFactory) -> PullRequest:
    return pull_request(tmp_path_factory.mktemp("handover"))


def test_an_honest_handover_is_read_and_judged(pull: PullRequest, tmp_path: Path) -> None:
    found = pull.judge(zipped(pull.files), tmp_path / "court")
    assert found.problem is None
    assert found.subject
    assert found.subject.judgement.verdict.verdict == "pass"
    assert found.subject.judgement.candidate.params == {"train": {"shrinkage": 0.01}}
    assert found.notices == ()


def test_its_job_opens_no_registry_that_would_end_with_it(pull: PullRequest) -> None:
    assert "candidates" in pull.left
    assert "mlflow.db" not in pull.left
    assert len(pull.manifest["candidate"]["run_id"]) == 32


# --- the zip itself ---------------------------------------------------------------------------


def named(name: str) -> Callable[[PullRequest], bytes]:
    return lambda pull: zipped({**pull.files, name: b"x"})


def twice(pull: PullRequest) -> bytes:
    target = io.BytesIO(zipped(pull.files))
    with zipfile.ZipFile(target, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("metrics.json", b"{}")
    return target.getvalue()


def link(pull: PullRequest) -> bytes:
    kept = {name: content for name, content in pull.files.items() if name != "params.yaml"}
    target = io.BytesIO(zipped(kept))
    with zipfile.ZipFile(target, "a") as archive:
        entry = zipfile.ZipInfo("params.yaml")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc/passwd")
    return target.getvalue()


def many(pull: PullRequest) -> bytes:
    return zipped({**pull.files, **{f"{number}.txt": b"" for number in range(2_000)}})


def bomb(pull: PullRequest) -> bytes:
    return zipped({**pull.files, "metrics.json": b" " * (1 << 26)})


def understated(pull: PullRequest) -> bytes:
    """The directory says that a file is small; its content goes on and on."""
    content = bytearray(zipped({**pull.files, "metrics.json": b" " * (1 << 26)}))
    small = struct.pack("<L", 10)
    place = content.rindex(struct.pack("<L", 1 << 26))
    content[place : place + 4] = small
    place = content.index(struct.pack("<L", 1 << 26))
    content[place : place + 4] = small
    return bytes(content)


def other_content(pull: PullRequest) -> bytes:
    return zipped({**pull.files, "metrics.json": b'{"slope": 1}'})


def as_large(pull: PullRequest) -> bytes:
    told = pull.files["metrics.json"]
    return zipped({**pull.files, "metrics.json": told.replace(b"-", b"+")})


def cut_off(pull: PullRequest) -> bytes:
    return zipped(pull.files)[:-200]


def damaged(pull: PullRequest) -> bytes:
    content = bytearray(zipped(pull.files))
    place = content.index(b"bento.tar") + 3_000
    content[place : place + 400] = bytes(400)
    return bytes(content)


def bzip2(pull: PullRequest) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_BZIP2) as archive:
        for name, content in pull.files.items():
            archive.writestr(name, content)
    return target.getvalue()


@pytest.mark.parametrize(
    ("poison", "said"),
    [
        (named("../../.bashrc"), "is no file of a handover"),
        (named("/etc/cron.d/x"), "is no file of a handover"),
        (named("C:\\x"), "is no file of a handover"),
        (named("Manifest.json"), "is no file of a handover"),
        (twice, "it holds metrics.json twice"),
        (link, "params.yaml in it is a link"),
        (many, "'0.txt', which is no file of a handover"),
        (bomb, "metrics.json in it is larger than"),
        (understated, "is refused"),
        (other_content, "metrics.json is not what its manifest says"),
        (as_large, "metrics.json is not what its manifest says"),
        (cut_off, "it is not a whole zip file"),
        (damaged, "is refused"),
        (bzip2, "compressed in a way that is not allowed"),
        (lambda _pull: b"", "it is not a whole zip file"),
        (lambda _pull: b"PK\x05\x06" + bytes(18), "it has no manifest.json"),
    ],
)
def test_a_poisoned_zip_is_refused_in_a_sentence(
    pull: PullRequest, tmp_path: Path, poison: Callable[[PullRequest], bytes], said: str
) -> None:
    path = tmp_path / "h.zip"
    path.write_bytes(poison(pull))
    with pytest.raises(MlopsError, match="The handover is refused: ") as caught:
        read_handover(path, tmp_path / "into")
    assert said in caught.value.message
    inside = {each for each in tmp_path.rglob("*") if each.is_file()}
    assert {each.parent.name for each in inside} <= {tmp_path.name, "into"}


def test_a_zip_over_the_limit_is_not_opened(pull: PullRequest, tmp_path: Path) -> None:
    path = tmp_path / "h.zip"
    path.write_bytes(zipped(pull.files))
    with pytest.raises(MlopsError, match="larger than 10 bytes"):
        read_handover(path, tmp_path / "into", Limits(zip_bytes=10))


# --- the manifest -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfe{}", "is not valid"),
        (b"{" * 100_000, "is not valid"),
        (b"[" * 100_000, "is not valid"),
        (b'{"format": 1, "format": 1}', "a key is written twice"),
        (b'{"format": NaN}', "NaN is no number"),
        (b'{"format": ' + b"9" * 5_000 + b"}", "is not valid"),
        (b'{"format": 2}', "format"),
        (b"null", "Input should be"),
    ],
)
def test_a_manifest_that_is_none_is_refused(
    pull: PullRequest, tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "h.zip"
    path.write_bytes(zipped({**pull.files, "manifest.json": content}))
    with pytest.raises(MlopsError) as caught:
        read_handover(path, tmp_path / "into")
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("surprise", 1),
        ("model", "../../x"),
        ("language", "perl"),
        ("head_sha", "main"),
        ("head_sha", "--upload-pack=x".ljust(40, "x")),
        ("fingerprint", None),
        ("bento_digest", "A" * 64),
        ("seconds", {"train": 1e999}),
        ("seconds", {"train": "long"}),
        ("failure", {"step": "train", "file": None, "line": 1, "message": "x", "advice": "y"}),
        ("files", {}),
    ],
)
def test_a_manifest_with_a_wrong_value_is_refused(
    pull: PullRequest, tmp_path: Path, key: str, value: object
) -> None:
    path = tmp_path / "h.zip"
    path.write_bytes(pull.with_manifest(lambda manifest: manifest.update({key: value})))
    with pytest.raises(MlopsError, match="The handover is refused: "):
        read_handover(path, tmp_path / "into")


# --- what it says -----------------------------------------------------------------------------


def table(pull: PullRequest, name: str, change: Callable[[str], str]) -> bytes:
    """The zip with another table; the run's record of the holdout follows."""
    text = change(gzip.decompress(pull.files[name]).decode())
    return pull.with_files({name: gzip.compress(text.encode())})


def cell(text: str) -> Callable[[PullRequest], bytes]:
    """Another first prediction."""

    def change(whole: str) -> str:
        header, _, rest = whole.split("\n", 2)
        return f"{header}\n{text}\n{rest}"

    return lambda pull: table(pull, PREDICTIONS, change)


def bento(change: Callable[[dict[str, bytes]], dict[str, bytes]]) -> Callable[[PullRequest], bytes]:
    """Another Bento whose digest the manifest gives rightly."""

    def poison(pull: PullRequest) -> bytes:
        from tempfile import TemporaryDirectory

        from bentos.build import bento_digest

        members = change(untarred(pull.files[BENTO]))
        with TemporaryDirectory() as folder:
            for name, content in members.items():
                path = Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            digest = bento_digest(Path(folder))
        return pull.with_files({BENTO: tarred(members)}, bento_digest=digest)

    return poison


# What is under a harmless name touches a file when it is loaded.
HOSTILE = b"cposix\nsystem\n(S'touch was-loaded'\ntR."


def forged_holdout(pull: PullRequest) -> bytes:
    return table(pull, HOLDOUT, lambda text: text.replace("north", "south"))


@pytest.mark.parametrize(
    ("poison", "said"),
    [
        (cell("nan"), "units = 'nan' in row 1 must be a number"),
        (cell("inf"), "units = 'inf' in row 1 must be a number"),
        (cell("1e999"), "must be a number"),
        (cell("=cmd|' /C calc'!A0"), "must be a number"),
        (cell(""), "one row for each of 600"),
        (cell('""'), "must not be missing"),
        (cell('"1"2'), "the predictions are no CSV"),
        (cell("1,2"), "one row for each of 600"),
        (cell("1\n2"), "one row for each of 600"),
        (
            lambda p: table(p, PREDICTIONS, lambda t: t.rsplit("\n", 2)[0] + "\n"),
            "one row for each",
        ),
        (lambda p: table(p, PREDICTIONS, lambda t: "price" + t[5:]), "columns are not units"),
        (lambda p: p.with_files({PREDICTIONS: gzip.compress(b"units\n\xff\n")}), "not UTF-8"),
        (lambda p: p.with_files({PREDICTIONS: gzip.compress(b"units\n\0\n")}), "U+0000"),
        (lambda p: p.with_files({PREDICTIONS: b"plain"}), "not a whole gzip file"),
        (forged_holdout, "its holdout is not the one that its run recorded"),
        (lambda p: p.with_files({}, head_sha="1" * 40), "of another model or commit"),
        (lambda p: p.with_files({}, model="other"), "of another model or commit"),
        (lambda p: p.with_files({}, base_sha=p.head_sha), "no commit of the default branch"),
        (lambda p: p.with_files({}, source="1" * 40), "its fingerprint is not that of"),
        (lambda p: p.with_files({"params.yaml": b"train: {}\n"}), "its params.yaml is not that of"),
        (lambda p: p.with_files({"model.yaml": b"name: x\n"}), "its model.yaml is not that of"),
        (lambda p: p.with_files({"metrics.json": b'{"slope": NaN}'}), "not a finite number"),
        (
            lambda p: p.with_files({"metrics.json": b'{"slope": %s}' % (b"9" * 400)}),
            "not a finite number",
        ),
        (lambda p: p.with_files({"metrics.json": b"[]"}), "not a JSON object of numbers"),
        (
            lambda p: p.with_files({"metrics.json": b'{"a":' + b"[" * 5_000 + b"]" * 5_000 + b"}"}),
            "not a JSON object of numbers",
        ),
        (lambda p: p.with_files({BENTO: b"plain"}), "was not taken"),
        (
            lambda p: p.with_files({BENTO: tarred({"../../x": b"x"})}),
            "'../../x' is no plain path",
        ),
        (lambda p: p.with_files({BENTO: tarred({}, {"src": "/"})}), "'src' is no plain file"),
        (
            lambda p: p.with_files(
                {BENTO: tarred({f"{'a/' * depth}x": b"" for depth in (600, 1_200, 1_700)})}
            ),
            "lies in too many folders",
        ),
        (lambda p: p.with_files({}, bento_digest="1" * 64), "another digest than its manifest"),
        (
            bento(lambda m: {**m, "src/model/predict.py": b"import os\n"}),
            "src/model/predict.py in its Bento is not as in the pull request",
        ),
        (
            bento(lambda m: {**m, "src/bentos/service.py": b"import os\n"}),
            "src/bentos/service.py in its Bento is not as in the pull request",
        ),
        (
            bento(lambda m: {**m, "src/sitecustomize.py": b"import os\n"}),
            "src/sitecustomize.py in its Bento is not as in the pull request",
        ),
        (
            bento(lambda m: {**m, "src/contract.json": b"{}"}),
            "its Bento holds another contract",
        ),
        (
            bento(lambda m: {**m, "bento.yaml": b"service: evil:Service\n"}),
            "its Bento is not of this service",
        ),
        (
            bento(lambda m: {**m, "src/model/artifact/line.csv": HOSTILE}),
            "artifact/line.csv is a pickle, which runs code when it is loaded",
        ),
        (
            bento(lambda m: {**m, "src/model/artifact/line.csv": b"1,2\n"}),
            "the artifact in its Bento is not the one that its run recorded",
        ),
    ],
)
def test_a_handover_that_lies_is_refused(
    pull: PullRequest, tmp_path: Path, poison: Callable[[PullRequest], bytes], said: str
) -> None:
    found = pull.judge(poison(pull), tmp_path / "court")
    assert found.subject is None
    assert found.problem
    assert said in found.problem
    assert not (tmp_path / "x").exists()
    assert not Path("was-loaded").exists()


def test_a_table_that_grows_without_end_is_cut_off(pull: PullRequest, tmp_path: Path) -> None:
    from ci.handover.tables import unzip_table

    source = tmp_path / HOLDOUT
    source.write_bytes(gzip.compress(b"\n" * (1 << 24)))
    with pytest.raises(MlopsError, match="holds more than 1,048,576 bytes"):
        unzip_table(source, tmp_path / "holdout.csv", 1 << 20)
    assert (tmp_path / "holdout.csv").stat().st_size <= 1 << 20
