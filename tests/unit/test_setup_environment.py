"""`make setup`: when it has something to do, and what it says when it can't."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ci.errors import MlopsError
from ci.setup import __main__ as setup
from ci.setup import environment, julia, locks, r

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with what setup looks at, and an environment whose Python does nothing."""
    root = tmp_path / "repository"
    for folder in ("ci/setup", "ci/locks", ".venv/bin"):
        (root / folder).mkdir(parents=True)
    (root / "pyproject.toml").write_text("[project]\n")
    for name in locks.NAMES:
        (root / f"ci/locks/{name}.txt").write_text(f"{name}-package==1.0 --hash=sha256:0\n")
    program(root / ".venv/bin/pip", f"#!{root}/.venv/bin/python\n")
    program(root / ".venv/bin/python", "#!/bin/sh\n")
    return root


def program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def test_setup_needs_only_the_standard_library() -> None:
    code = "import sys; sys.path.insert(0, '.'); import ci.setup.__main__"
    subprocess.run([sys.executable, "-S", "-I", "-c", code], cwd=ROOT, check=True)


def test_without_python_3_11_one_sentence_says_what_to_install(tmp_path: Path) -> None:
    for name in ("dirname", "sh"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    program(tmp_path / "python3", "#!/bin/sh\nexit 1\n")
    result = subprocess.run(
        [tmp_path / "sh", ROOT / "ci/setup/setup.sh"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr.startswith("Python 3.11 is missing: install it")
    assert result.stderr.count("\n") == 1


def test_a_second_run_installs_nothing(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    installed: list[Path] = []
    monkeypatch.setattr(environment, "install", installed.append)
    setup.set_up(repository)
    setup.set_up(repository)
    assert installed == [repository]
    assert capfd.readouterr().err == "Setup is complete.\n"


def test_a_changed_lock_or_a_missing_language_is_work_again(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed: list[Path] = []
    monkeypatch.setattr(environment, "install", installed.append)
    setup.set_up(repository)
    (repository / "ci/locks/dev.txt").write_text("dev-package==2.0 --hash=sha256:1\n")
    setup.set_up(repository)
    assert len(installed) == 2
    (repository / "models/sales").mkdir(parents=True)
    (repository / "models/sales/renv.lock").write_text('{"Packages": {}}')
    setup.set_up(repository)
    assert len(installed) == 3

    def refuse(_root: Path) -> None:
        raise MlopsError("r_missing", r.ADVICE)

    monkeypatch.setattr(r, "find", lambda: None)
    monkeypatch.setattr(r, "install", refuse)
    with pytest.raises(MlopsError, match=r"R 4\.0 or newer is missing"):
        setup.set_up(repository)


def test_a_moved_folder_is_work_again(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "install", lambda _root: None)
    setup.set_up(repository)
    assert environment.up_to_date(repository)
    moved = repository.rename(repository.with_name("moved"))
    assert not environment.up_to_date(moved)


def test_locks_pulled_during_a_set_up_are_work_again(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pull(_root: Path) -> None:
        (repository / "pyproject.toml").write_text("[project]\nname = 'pulled'\n")

    monkeypatch.setattr(environment, "install", pull)
    setup.set_up(repository)
    assert not environment.up_to_date(repository)


def test_an_environment_made_elsewhere_is_made_anew(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    created: list[Path] = []
    monkeypatch.setattr(environment, "_create", created.append)
    programs = repository / ".venv/bin"
    (programs / "pip").write_text("#!/elsewhere/.venv/bin/python\n")
    environment.create(repository)
    assert created == [repository / ".venv"]
    (programs / "pip").write_text(f"#!{programs}/python\n")
    environment.create(repository)
    assert created == [repository / ".venv"]


def test_a_failing_pip_ends_setup_with_its_last_lines_and_one_sentence(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    python = repository / ".venv/bin/python"
    program(python, "#!/bin/sh\necho 'ERROR: no matching distribution'\nexit 1\n")
    monkeypatch.setattr(setup, "__file__", str(repository / "ci/setup/__main__.py"))
    assert setup.main() == 1
    said = capfd.readouterr().err
    assert "ERROR: no matching distribution" in said
    assert said.rstrip().endswith("then type `make setup` again.")
    assert "Traceback" not in said
    assert not environment.up_to_date(repository)


def test_without_venv_and_apt_one_sentence_says_what_to_install(
    repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("ci.setup.environment.importlib.util.find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    (repository / ".venv/bin/pip").unlink()
    with pytest.raises(MlopsError, match="Python's module venv is missing: install it"):
        environment.create(repository)


def test_the_build_server_runs_the_test_command_and_passes_its_exit_code_on(
    tmp_path: Path,
) -> None:
    program(tmp_path / "make", '#!/bin/sh\necho "make $* in $PWD"\nexit 7\n')
    result = subprocess.run(
        ["bash", str(ROOT / ".ci/run")],
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (7, f"make test in {ROOT}\n")


def test_the_official_build_of_julia_is_found_without_being_on_the_path(
    repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert julia.find(repository) is None
    program(repository / ".venv/bin/julia", "#!/bin/sh\n")
    assert julia.find(repository) == str(repository / ".venv/bin/julia")


def test_a_job_gets_its_lock_and_its_languages_and_no_more(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = "setuptools==1.0 \\\n    --hash=sha256:0\nother==1.0 \\\n    --hash=sha256:1\n"
    (repository / "ci/locks/dev.txt").write_text(hashed)
    (repository / "ci/locks/plan.txt").write_text("small==1.0 --hash=sha256:2\n")
    python, log = repository / ".venv/bin/python", repository / "log"
    script = '#!/bin/sh\nshift 5\necho "$*" >> {log}\nfor last; do :; done; cat "$last" >> {log}\n'
    program(python, script.format(log=log))
    asked: list[str] = []
    monkeypatch.setattr(r, "install", lambda _root: asked.append("r"))
    monkeypatch.setattr(julia, "install", lambda _root: asked.append("julia"))
    monkeypatch.setattr(setup, "__file__", str(repository / "ci/setup/__main__.py"))
    assert setup.main(["--lock", "plan"]) == 0
    builder, *rest = log.read_text().splitlines(keepends=True)
    assert builder.startswith("--require-hashes --requirement ")
    lock = repository / "ci/locks/plan.txt"
    assert "".join(rest) == (
        "setuptools==1.0 \\\n    --hash=sha256:0\n"
        f"--require-hashes --no-build-isolation --requirement {lock}\n"
        "small==1.0 --hash=sha256:2\n"
    )
    assert asked == []
    log.unlink()
    assert setup.main(["--language", "r", "python"]) == 0
    assert setup.main(["--language", "julia"]) == 0
    assert asked == ["r", "julia"]
    assert not log.exists()


def test_a_lock_that_is_none_is_refused(repository: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        setup.main(["--lock", "../other"])
    assert caught.value.code == 2
