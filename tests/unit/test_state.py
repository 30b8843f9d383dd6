"""The state branch: two writers, a lost race, a kill in the middle, the first write."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ci.errors import MlopsError
from ci.state import StateBranch
from tests.support.repositories import commit_all, git

WRITER = """
import sys, time
from pathlib import Path
from ci.state import StateBranch

def change(folder):
    (folder / "half.json").write_text("{")
    Path(sys.argv[2]).touch()
    time.sleep(60)

StateBranch(Path(sys.argv[1])).update("never", change)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return clone_of(remote_at(tmp_path / "remote.git"), tmp_path / "clone")


def remote_at(path: Path) -> Path:
    git(path.parent, "init", "-q", "--bare", "-b", "main", str(path))
    return path


def clone_of(remote: Path, root: Path) -> Path:
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    git(root, "remote", "add", "origin", str(remote))
    (root / "readme").write_text("work tree\n")
    commit_all(root)
    git(root, "push", "-q", "origin", "HEAD:main")
    return root


def add_line(line: str) -> Callable[[Path], str]:
    def change(folder: Path) -> str:
        path = folder / "lines.txt"
        before = path.read_text() if path.exists() else ""
        path.write_text(f"{before}{line}\n")
        return before

    return change


def files(root: Path, into: Path) -> dict[str, str]:
    StateBranch(root).checkout(into)
    return {
        path.relative_to(into).as_posix(): path.read_text()
        for path in into.rglob("*")
        if path.is_file()
    }


def test_no_branch_yet_is_empty(root: Path, tmp_path: Path) -> None:
    assert StateBranch(root).checkout(tmp_path / "state") is None
    assert list((tmp_path / "state").iterdir()) == []


def test_the_first_write_makes_an_orphan_branch_and_leaves_the_checkout_alone(
    root: Path, tmp_path: Path
) -> None:
    head = git(root, "rev-parse", "HEAD")
    state = StateBranch(root)
    assert state.update("first", add_line("one")) == ""
    assert state.update("second", add_line("two")) == "one\n"
    assert files(root, tmp_path / "state") == {"lines.txt": "one\ntwo\n"}
    remote = tmp_path / "remote.git"
    assert git(remote, "log", "--format=%s", "mlops-state").split() == ["second", "first"]
    assert git(root, "rev-parse", "HEAD") == head
    assert git(root, "status", "--porcelain") == ""
    assert git(root, "branch", "--format=%(refname:short)").split() == ["main"]


def test_a_change_of_nothing_pushes_nothing(root: Path) -> None:
    state = StateBranch(root)
    state.update("first", add_line("one"))
    before = state.head()
    assert state.update("nothing", lambda folder: 7) == 7
    assert state.head() == before


def test_a_change_that_raises_leaves_the_branch_as_it_was(root: Path) -> None:
    state = StateBranch(root)
    state.update("first", add_line("one"))
    before = state.head()

    def broken(folder: Path) -> None:
        (folder / "lines.txt").write_text("half")
        raise MlopsError("refused", "no")

    with pytest.raises(MlopsError, match="no"):
        state.update("broken", broken)
    assert state.head() == before


def test_a_lost_race_runs_again_on_the_winners_files(root: Path, tmp_path: Path) -> None:
    other = clone_of_main(tmp_path)
    seen: list[str] = []

    def slow(folder: Path) -> None:
        seen.append(str(add_line("slow")(folder)))
        if len(seen) == 1:
            StateBranch(other).update("quick", add_line("quick"))

    StateBranch(root).update("slow", slow)
    assert seen == ["", "quick\n"]
    assert files(root, tmp_path / "state") == {"lines.txt": "quick\nslow\n"}


def clone_of_main(tmp_path: Path) -> Path:
    git(tmp_path, "clone", "-q", str(tmp_path / "remote.git"), str(tmp_path / "other"))
    return tmp_path / "other"


def test_whoever_always_loses_gives_up_and_overwrites_nothing(root: Path, tmp_path: Path) -> None:
    other = clone_of_main(tmp_path)

    def losing(folder: Path) -> None:
        add_line("loser")(folder)
        StateBranch(other).update("winner", add_line("winner"))

    with pytest.raises(MlopsError) as caught:
        StateBranch(root).update("loser", losing, attempts=2)
    assert caught.value.code == "state_busy"
    assert files(root, tmp_path / "state") == {"lines.txt": "winner\nwinner\n"}


def test_writers_at_once_lose_nothing(root: Path, tmp_path: Path) -> None:
    other = clone_of_main(tmp_path)
    failures: list[BaseException] = []

    def write(where: Path, name: str) -> None:
        try:
            for number in range(3):
                StateBranch(where).update(name, add_line(f"{name}{number}"), attempts=20)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=each) for each in ((root, "a"), (other, "b"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    lines = files(root, tmp_path / "state")["lines.txt"].split()
    assert sorted(lines) == ["a0", "a1", "a2", "b0", "b1", "b2"]


def test_a_kill_in_the_middle_leaves_nothing_half(root: Path, tmp_path: Path) -> None:
    state = StateBranch(root)
    state.update("first", add_line("one"))
    before, mark = state.head(), tmp_path / "in-the-middle"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(root), str(mark)])
    while not mark.exists():
        assert writer.poll() is None
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    assert state.head() == before
    state.update("next", add_line("two"))
    assert files(root, tmp_path / "state") == {"lines.txt": "one\ntwo\n"}


def test_a_push_that_is_refused_for_another_reason_says_so(root: Path, tmp_path: Path) -> None:
    hook = tmp_path / "remote.git" / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'read only' >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(MlopsError) as caught:
        StateBranch(root).update("first", add_line("one"))
    assert caught.value.code == "state_unreachable"
    assert StateBranch(root).head() is None


def test_an_answer_that_was_lost_is_no_lost_race(root: Path, tmp_path: Path) -> None:
    """The push goes through, and the connection breaks before its answer arrives."""
    hook = tmp_path / "remote.git" / "hooks" / "post-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nkill -9 $PPID\n")
    hook.chmod(0o755)
    seen: list[str] = []

    def change(folder: Path) -> None:
        seen.append(str(add_line("one")(folder)))

    StateBranch(root).update("first", change)
    hook.unlink()
    assert seen == [""]
    assert files(root, tmp_path / "state") == {"lines.txt": "one\n"}


def test_another_push_on_its_way_is_waited_for(root: Path, tmp_path: Path) -> None:
    state = StateBranch(root)
    state.update("first", add_line("one"))
    lock = tmp_path / "remote.git" / "refs" / "heads" / "mlops-state.lock"
    seen: list[str] = []

    def change(folder: Path) -> None:
        seen.append("again")
        if len(seen) == 1:
            lock.touch()
        else:
            lock.unlink()
        add_line("two")(folder)

    state.update("second", change)
    assert seen == ["again", "again"]
    assert files(root, tmp_path / "state") == {"lines.txt": "one\ntwo\n"}


def test_no_remote_is_one_sentence(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    with pytest.raises(MlopsError) as caught:
        StateBranch(tmp_path).head()
    assert "remote" in caught.value.message
    assert "\n" not in caught.value.message


def test_the_token_never_reaches_an_argument_or_a_file(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `git` that writes down what it was given, in front of the real one."""
    git(root, "remote", "set-url", "origin", "http://127.0.0.1:1/owner/name.git")
    spy, log = tmp_path / "bin", tmp_path / "seen"
    spy.mkdir()
    (spy / "git").write_text(
        f'#!/bin/sh\necho "$@" "|${{GIT_CONFIG_VALUE_0:-none}}" | cut -c1-200 >> {log}\n'
        f'PATH="{os.environ["PATH"]}" exec git "$@"\n'
    )
    (spy / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{spy}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("GITHUB_TOKEN", "secret-token")
    with pytest.raises(MlopsError) as caught:
        StateBranch(root).head()
    assert "secret-token" not in caught.value.message
    lines = [line for line in log.read_text().splitlines() if "ls-remote" in line]
    assert lines
    assert all("|AUTHORIZATION: basic " in line for line in lines)
    assert "secret-token" not in log.read_text()
    assert "secret-token" not in (root / ".git" / "config").read_text()
