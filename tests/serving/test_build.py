"""Building a Bento: exactly what belongs in it, the same digest each time, whole or not at all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bentos.build import BuildError, bento_digest, build
from tests.support import services


def files(bento: Path) -> set[str]:
    return {path.relative_to(bento).as_posix() for path in bento.rglob("*") if path.is_file()}


def test_two_builds_have_one_digest_and_hold_the_model_the_contract_and_the_code(
    tmp_path: Path,
) -> None:
    one = services.build_tiny(tmp_path / "one", "r")
    two = services.build_tiny(tmp_path / "two", "r")
    assert bento_digest(one) == bento_digest(two)
    assert one.parts[-2:] == ("tiny-r", "1" * 40)
    found = files(one)
    model = {each for each in found if each.startswith("src/model/")}
    assert model == {"src/model/predict.R", "src/model/artifact/slope.txt"}
    assert {"bento.yaml", "src/contract.json", "src/bentos/runners/worker.R"} <= found
    assert not [each for each in found if "__pycache__" in each]
    assert json.loads((one / "src" / "contract.json").read_text()) == services.contract("r")
    assert str(tmp_path) not in (one / "bento.yaml").read_text()
    assert (one / "src" / "requirements.txt").read_text() == services.LOCK.read_text()


def test_the_digest_sees_content_names_and_additions_but_not_the_time(tmp_path: Path) -> None:
    bento = services.build_tiny(tmp_path, "r")
    before = bento_digest(bento)
    info = bento / "bento.yaml"
    lines = info.read_text().splitlines(keepends=True)
    later = ["creation_time: '2030'\n" if "creation_time" in line else line for line in lines]
    info.write_text("".join(later))
    assert bento_digest(bento) == before
    predict = bento / "src" / "model" / "predict.R"
    text = predict.read_text()
    predict.write_text(text + "#")
    assert bento_digest(bento) != before
    predict.write_text(text)
    predict.rename(predict.with_name("other.R"))
    assert bento_digest(bento) != before
    predict.with_name("other.R").rename(predict)
    assert bento_digest(bento) == before
    (bento / "added").touch()
    assert bento_digest(bento) != before


def test_an_existing_version_is_not_built_again(tmp_path: Path) -> None:
    bento = services.build_tiny(tmp_path, "r")
    created = (bento / "bento.yaml").read_text()
    services.build_tiny(tmp_path, "r", "another source that changes nothing")
    assert (bento / "bento.yaml").read_text() == created
    assert "another" not in (bento / "src" / "model" / "predict.R").read_text()


def test_serving_leaves_the_digest_as_it_is(tmp_path: Path) -> None:
    bento = services.build_tiny(tmp_path, "python")
    before = bento_digest(bento)
    service = services.serve(bento, tmp_path / "run")
    try:
        service.wait_until_answered()
        assert service.predict({"x": 1}).status_code == 200
    finally:
        service.stop()
    assert bento_digest(bento) == before


def test_a_build_killed_half_way_leaves_no_bento_and_the_next_one_works(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from tests.support import services;"
        "services.build_tiny(Path(sys.argv[1]), 'r')"
    )
    store = tmp_path / "bentoml"
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], start_new_session=True
    )
    while not list(store.glob("build-*/context/contract.json")):
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (store / "bentos").exists()
    [left] = store.glob("build-*")
    os.utime(left, (0, 0))
    assert (services.build_tiny(tmp_path, "r") / "bento.yaml").is_file()
    assert not list(store.glob("build-*"))


def test_a_model_without_its_artifact_is_not_built(tmp_path: Path) -> None:
    services.build_tiny(tmp_path, "r")
    (tmp_path / "model" / "artifact" / "slope.txt").unlink()
    (tmp_path / "model" / "artifact").rmdir()
    with pytest.raises(FileNotFoundError):
        build(
            store=tmp_path / "bentoml",
            name="tiny-r",
            version="2" * 40,
            contract=services.contract("r"),
            folder=tmp_path / "model",
            sources=[],
            artifact=tmp_path / "model" / "artifact",
            requirements=services.LOCK,
        )
    assert not (tmp_path / "bentoml" / "bentos" / "tiny-r" / ("2" * 40)).exists()


def test_what_bentoml_refuses_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    rules = services.contract("r") | {"name": "not a name"}
    with pytest.raises(BuildError, match="could not build not a name"):
        services.build_tiny(tmp_path, "r", rules=rules)
    assert not list((tmp_path / "bentoml").rglob("bento.yaml"))
