"""The harness itself: where act does other than GitHub, these tests notice."""

from __future__ import annotations

import json
import textwrap

import pytest

from tests.workflows.conftest import MakeWorld
from tests.workflows.runs import Run
from tests.workflows.workflow_files import HarnessError, Workflow
from tests.workflows.world import World

CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1"
UPLOAD = "actions/upload-artifact@bbbca2ddaa5d8feaa63e36b76fdaad77386f024f"
DOWNLOAD = "actions/download-artifact@3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c"
CACHE = "actions/cache@27d5ce7f107fe9357f9df03efb73ab90386fccae"
PULL_REQUEST = "on: {pull_request: {branches: [main]}}"
JOB = """\
  one:
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    permissions: {contents: read}
"""
PLAN = """\
  plan:
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    outputs: {matrix: "${{ steps.plan.outputs.matrix }}"}
    steps:
      - id: plan
        run: echo 'matrix={"include":INCLUDE}' >> "$GITHUB_OUTPUT"
"""
LEGS = """\
  leg:
    name: leg (${{ matrix.model }})
    needs: plan
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    strategy: {fail-fast: false, matrix: "${{ fromJSON(needs.plan.outputs.matrix) }}"}
    steps:
      - env: {MODEL: "${{ matrix.model }}"}
        run: '[ "$MODEL" = a ]'
  after:
    needs: leg
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    steps:
      - run: exit 0
"""


def workflow(*jobs: str, on: str = PULL_REQUEST, more: str = "") -> str:
    """A workflow file with these jobs."""
    head = f"name: Sample\n{on}\npermissions: {{}}\ndefaults: {{run: {{shell: bash}}}}\n{more}"
    return f"{head}jobs:\n{''.join(jobs)}"


def steps(*each: str) -> str:
    """The steps of a job."""
    return "    steps:\n" + "".join(
        textwrap.indent(f"- {one.lstrip()}\n", "      ") for one in each
    )


@pytest.fixture
def empty(make_world: MakeWorld) -> World:
    return make_world({})


def put(world: World, text: str, name: str = "sample.yml") -> None:
    """Have a workflow on main."""
    world.commit({f".github/workflows/{name}": text})
    world.pushes.clear()


def run(world: World, text: str) -> Run:
    """Run it for a new pull request."""
    put(world, text)
    pull = world.open_pull("change", {"models/x.txt": "x"})
    return world.finish(world.begin_pull_request(pull, "sample.yml"))


def test_legs_outputs_annotations_and_skipped_jobs_are_read(empty: World) -> None:
    tell = '      - run: |\n          echo "# Planned" >> "$GITHUB_STEP_SUMMARY"\n'
    note = '          echo "::warning file=a.py,line=3::look here"\n'
    plan = PLAN.replace("INCLUDE", '[{"model":"a"},{"model":"b"}]') + tell + note
    made = run(empty, workflow(plan, LEGS))
    assert {job.name: job.conclusion for job in made.jobs} == {
        "plan": "success",
        "leg (a)": "success",
        "leg (b)": "failure",
        "after": "skipped",
    }
    assert made.conclusion == "failure"
    assert made.ran() == ["plan", "leg (a)", "leg (b)"]
    assert json.loads(made.job("plan").outputs["matrix"])["include"][1] == {"model": "b"}
    assert made.summary == "# Planned\n"
    [shown] = made.annotations
    assert (shown["level"], shown["file"], shown["line"]) == ("warning", "a.py", "3")


def test_an_empty_matrix_is_noticed(empty: World) -> None:
    with pytest.raises(HarnessError, match="1 legs of leg ran, not 0"):
        run(empty, workflow(PLAN.replace("INCLUDE", "[]"), LEGS))


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (JOB.replace("ubuntu-24.04", "ubuntu-latest") + steps("run: exit 0"), "no runner for"),
        (JOB.replace("    timeout-minutes: 5\n", "") + steps("run: exit 0"), "has no time-out"),
        (JOB.replace("    permissions: {contents: read}\n", ""), "default permissions"),
        (JOB.replace("contents: read", "content: read"), "unknown permissions"),
        (JOB + steps("uses: someone/something@v1"), "which has no stub"),
        (JOB + steps(f"uses: {CHECKOUT}\n  with: {{fetch_depth: 0}}"), "no input fetch_depth"),
        (JOB + steps(f"uses: {CACHE}\n  with: {{path: x}}"), "needs key"),
    ],
)
def test_what_github_would_refuse_is_noticed(empty: World, job: str, said: str) -> None:
    text = workflow(job)
    if said == "default permissions":
        text = text.replace("permissions: {}\n", "")
    with pytest.raises(HarnessError, match=said):
        run(empty, text)


ASK = """\
import json, os, sys, urllib.error, urllib.request
method, path, *body = sys.argv[1:]
request = urllib.request.Request(
    f"{os.environ['GITHUB_API_URL']}/repos/{os.environ['GITHUB_REPOSITORY']}{path}",
    data=body[0].encode() if body else None,
    headers={"Authorization": f"Bearer {os.environ['GITHUB_TOKEN']}"},
    method=method,
)
try:
    print(urllib.request.urlopen(request).read().decode())
except urllib.error.HTTPError as error:
    print(error.read().decode())
"""


def asking(*requests: str) -> str:
    """A step that asks the API as its token may."""
    env = '{GITHUB_TOKEN: "${{ github.token }}", OTHER: "${{ secrets.GITHUB_TOKEN }}", '
    env += 'SECRET: "${{ secrets.KEY }}"}'
    lines = [f'"$STANDIN_VENV/bin/python" ask.py {each}' for each in requests]
    script = ["cat > ask.py <<'END'", *ASK.splitlines(), "END"]
    script += ['test "$GITHUB_TOKEN" = "$OTHER"', 'echo "secret=<$SECRET>"', *lines]
    return f"env: {env}\n  run: |\n" + textwrap.indent("\n".join(script), "    ")


COMMENT = """POST /issues/1/comments '{"body": "x"}'"""


def test_a_token_may_do_what_its_job_asks_for_and_no_more(empty: World) -> None:
    ask = steps(asking("GET '/pulls?state=open'", COMMENT))
    reads, writes = JOB.replace("contents: read", "pull-requests: read"), JOB.replace("one", "two")
    writes = writes.replace("contents: read", "pull-requests: write")
    made = run(empty, workflow(reads + ask, writes + ask))
    assert made.conclusion == "success"
    assert '"number": 1' in made.job("one").log
    assert "Resource not accessible by integration" in made.job("one").log
    assert "Resource not accessible by integration" not in made.job("two").log
    assert [each["body"] for each in empty.comments(1)] == ["x"]


def test_a_fork_gets_no_secret_and_reads_only(empty: World) -> None:
    job = JOB.replace("contents: read", "pull-requests: write") + steps(asking(COMMENT))
    put(empty, workflow(job))
    empty.secrets["KEY"] = "swordfish"
    pull = empty.open_pull("change", {"x.txt": "x"}, fork=True)
    made = empty.finish(empty.begin_pull_request(pull, "sample.yml"))
    assert "secret=<>" in made.log
    assert "Resource not accessible by integration" in made.log


FOLLOW = "on: {workflow_run: {workflows: [Sample], types: [completed]}}"


@pytest.mark.parametrize("fork", [False, True])
def test_what_follows_a_run_knows_as_little_as_on_github(empty: World, fork: bool) -> None:
    put(empty, workflow(JOB + steps("run: exit 0")))
    show = 'env: {EVENT: "${{ toJSON(github.event) }}"}\n  run: echo "$GITHUB_SHA"'
    put(empty, workflow(JOB + steps(show), on=FOLLOW).replace("Sample\non", "After\non"), "b.yml")
    pull = empty.open_pull("change", {"x.txt": "x"}, fork=fork)
    first = empty.finish(empty.begin_pull_request(pull, "sample.yml"))
    after = empty.run_report(first, "completed", "b.yml")
    assert empty.main in after.log
    event = after.event["workflow_run"]
    assert event["head_sha"] == empty.head(pull)
    assert event["event"] == "pull_request"
    assert [each["number"] for each in event["pull_requests"]] == ([] if fork else [pull])
    owner = "mallory" if fork else "kronkers"
    assert event["head_repository"]["full_name"] == f"{owner}/mlops"


def test_a_fork_s_code_is_not_checked_out_where_there_is_a_write_token(empty: World) -> None:
    put(empty, workflow(JOB + steps("run: exit 0")))
    wanted = 'with: {ref: "refs/pull/${{ github.event.workflow_run.head_branch }}/head"}'
    hostile = JOB + steps(f"uses: {CHECKOUT}\n  {wanted}")
    put(empty, workflow(hostile, on=FOLLOW).replace("name: Sample", "name: After"), "b.yml")
    pull = empty.open_pull("1", {"x.txt": "x"}, fork=True)
    first = empty.finish(empty.begin_pull_request(pull, "sample.yml"))
    after = empty.run_report(first, "completed", "b.yml")
    assert after.conclusion == "failure"
    assert "Refusing to check out fork pull request code" in after.log


def test_a_checkout_is_as_deep_as_it_says_and_leaves_no_token(empty: World) -> None:
    show = "run: git rev-list --count HEAD; git config --get-regexp extraheader || echo none"
    shallow = steps(f"uses: {CHECKOUT}\n  with: {{persist-credentials: false}}", show)
    deep = steps(f"uses: {CHECKOUT}\n  with: {{fetch-depth: 0}}", f"{show}; git branch -r")
    made = run(empty, workflow(JOB + shallow, JOB.replace("one", "two") + deep))
    assert made.job("one").step("rev-list").log == "1\nnone\n"
    log = made.job("two").step("rev-list").log
    assert log.startswith("4\nhttp.")
    assert "origin/change" in log


def test_a_checkout_needs_the_permission(empty: World) -> None:
    job = JOB.replace("contents: read", "pull-requests: read") + steps(f"uses: {CHECKOUT}")
    assert run(empty, workflow(job)).conclusion == "failure"


def test_artifacts_go_from_job_to_job_and_expire(empty: World) -> None:
    make = "run: mkdir -p out/.hidden; echo a > out/a; echo b > out/.hidden/b"
    upload = f"uses: {UPLOAD}\n  with: {{name: x, path: out}}"
    takes = JOB.replace("one", "two").replace("    runs-on", "    needs: one\n    runs-on")
    download = f"uses: {DOWNLOAD}\n  with: {{name: x, path: in}}"
    text = workflow(JOB + steps(make, upload), takes + steps(download, "run: find in -type f"))
    made = run(empty, text)
    assert made.job("two").step("find").log == "in/a\n"
    [artifact] = empty.github.artifacts.values()
    assert (artifact["name"], artifact["expired"]) == ("x", False)
    empty.expire_artifacts()
    assert artifact["expired"]


def test_two_uploads_of_one_name_conflict(empty: World) -> None:
    upload = f"uses: {UPLOAD}\n  with: {{name: x, path: a}}"
    made = run(empty, workflow(JOB + steps("run: echo a > a", upload, upload)))
    assert [step.conclusion for step in made.job("one").steps] == ["success", "success", "failure"]


def test_caches_are_kept_by_branch_and_vanish(empty: World) -> None:
    cache = f"id: cache\n  uses: {CACHE}\n  with: {{path: kept, key: k1, restore-keys: k}}"
    tell = 'run: echo "hit=${{ steps.cache.outputs.cache-hit }}"'
    show = f"{tell}; mkdir -p kept; ls kept; echo x > kept/x"
    put(empty, workflow(JOB + steps(cache, show)))
    pulls = [empty.open_pull(name, {"x.txt": name}) for name in ("a", "b")]

    def log(pull: int) -> str:
        made = empty.finish(empty.begin_pull_request(pull, "sample.yml"))
        return made.job("one").step("echo").log

    assert log(pulls[0]) == "hit=\n"
    assert log(pulls[0]) == "hit=true\nx\n"
    assert log(pulls[1]) == "hit=\n"
    empty.drop_caches()
    assert log(pulls[0]) == "hit=\n"


ON_PUSH = 'on: {push: {branches: [main], paths: ["models/**", "!**/README.md"]}}'


def test_triggers_are_those_of_the_file() -> None:
    file = Workflow("x.yml", workflow(on=ON_PUSH))
    file.require_trigger("push", branch="main", files=["docs/x", "models/a/b.txt"])
    for facts in (
        {"branch": "other", "files": ["models/a/b.txt"]},
        {"branch": "main", "files": ["docs/x", "models/a/README.md"]},
    ):
        with pytest.raises(HarnessError, match="does not run on push"):
            file.require_trigger("push", **facts)
    with pytest.raises(HarnessError, match="does not run on schedule"):
        file.require_trigger("schedule")
    follow = Workflow("y.yml", workflow(on=FOLLOW))
    follow.require_trigger("workflow_run", action="completed", workflow="Sample")
    for action, name in (("requested", "Sample"), ("completed", "Other")):
        with pytest.raises(HarnessError):
            follow.require_trigger("workflow_run", action=action, workflow=name)
    pull = Workflow("z.yml", workflow())
    pull.require_trigger("pull_request", action="synchronize", branch="main")
    with pytest.raises(HarnessError, match="closed"):
        pull.require_trigger("pull_request", action="closed", branch="main")


@pytest.mark.parametrize(
    ("group", "conclusions"),
    [
        ("", ["success", "success", "success"]),
        (
            "concurrency: {group: x, cancel-in-progress: false}\n",
            ["success", "cancelled", "success"],
        ),
        (
            "concurrency: {group: x, cancel-in-progress: true}\n",
            ["cancelled", "cancelled", "success"],
        ),
    ],
)
def test_one_pending_run_is_left_of_a_group(
    empty: World, group: str, conclusions: list[str]
) -> None:
    put(empty, workflow(JOB + steps("run: exit 0"), on=ON_PUSH, more=group))
    for name in "abc":
        empty.commit({f"models/{name}/x": name})
    assert [each.conclusion for each in empty.run_push("sample.yml")] == conclusions


def test_a_newer_push_cancels_the_run_of_the_older(empty: World) -> None:
    group = "concurrency: {group: x, cancel-in-progress: true}\n"
    put(empty, workflow(JOB + steps("run: exit 0"), more=group))
    pull = empty.open_pull("change", {"x.txt": "x"})
    old = empty.begin_pull_request(pull, "sample.yml")
    empty.push(pull, {"x.txt": "y"})
    new = empty.begin_pull_request(pull, "sample.yml")
    assert (old.conclusion, new.conclusion) == ("cancelled", None)
    assert new.event["action"] == "synchronize"


def test_a_job_with_an_environment_is_a_deployment(empty: World) -> None:
    job = JOB.replace("    timeout", "    environment: production\n    timeout")
    skipped = job.replace("one", "two").replace("    timeout", "    if: false\n    timeout")
    made = run(empty, workflow(job + steps("run: exit 1"), skipped + steps("run: exit 0")))
    assert empty.github.deployments == [
        {"environment": "production", "sha": made.sha, "run": made.id, "state": "failure"}
    ]


DISPATCH = """\
on:
  workflow_dispatch:
    inputs:
      model: {required: true, type: string, description: Which}
      way: {type: choice, options: [up, down], default: up, description: How}"""


def test_inputs_by_hand_are_checked_as_the_form_checks_them(empty: World) -> None:
    env = 'env: {MODEL: "${{ inputs.model }}", WAY: "${{ github.event.inputs.way }}"}'
    put(empty, workflow(JOB + steps(f'{env}\n  run: echo "$MODEL $WAY"'), on=DISPATCH))
    assert "x up\n" in empty.dispatch("sample.yml", {"model": "x"}).log
    for wrong in ({}, {"model": "x", "way": "left"}, {"model": "x", "more": "y"}):
        with pytest.raises(HarnessError):
            empty.dispatch("sample.yml", wrong)


def test_the_runner_s_own_environment_stays_outside(
    empty: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "swordfish")
    made = run(empty, workflow(JOB + steps("run: env; which python || echo no python")))
    assert "swordfish" not in made.log
    assert "no python" in made.log
