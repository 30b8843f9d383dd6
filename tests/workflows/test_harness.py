"""The harness itself: what GitHub does, these tests' GitHub does too."""

from __future__ import annotations

import pytest

from tests.workflows.conftest import MakeWorld
from tests.workflows.workflow_files import HarnessError
from tests.workflows.world import World

CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1"
SAMPLE = f"""\
name: Sample
on:
  pull_request: {{branches: [main]}}
  push: {{branches: [main], paths: ["models/**"]}}
permissions: {{}}
defaults: {{run: {{shell: bash}}}}
jobs:
  plan:
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    permissions: {{contents: read, pull-requests: read}}
    outputs: {{matrix: "${{{{ steps.plan.outputs.matrix }}}}"}}
    steps:
      - uses: {CHECKOUT}
        with: {{fetch-depth: 0, persist-credentials: false}}
      - id: plan
        env: {{GITHUB_TOKEN: "${{{{ github.token }}}}"}}
        run: |
          git rev-list --count HEAD
          curl -sS -H "Authorization: Bearer $GITHUB_TOKEN" \\
            "$GITHUB_API_URL/repos/$GITHUB_REPOSITORY/pulls"
          curl -sS -X POST -H "Authorization: Bearer $GITHUB_TOKEN" -d '{{"body": "x"}}' \\
            "$GITHUB_API_URL/repos/$GITHUB_REPOSITORY/issues/1/comments"
          echo
          echo 'matrix={{"include": [{{"model": "a"}}, {{"model": "b"}}]}}' >> "$GITHUB_OUTPUT"
          echo "# Planned" >> "$GITHUB_STEP_SUMMARY"
          echo "::warning file=a.py,line=3::look here"
  train:
    name: train (${{{{ matrix.model }}}})
    needs: plan
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    strategy: {{fail-fast: false, matrix: "${{{{ fromJSON(needs.plan.outputs.matrix) }}}}"}}
    steps:
      - name: Train
        env: {{MODEL: "${{{{ matrix.model }}}}"}}
        run: '[ "$MODEL" = a ]'
  never:
    needs: train
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    steps:
      - run: exit 0
"""


@pytest.fixture
def sample(make_world: MakeWorld) -> World:
    world = make_world({})
    world.commit({".github/workflows/sample.yml": SAMPLE})
    world.pushes.clear()
    return world


def test_a_pull_request_runs_its_workflow(sample: World) -> None:
    pull = sample.open_pull("change", {"models/x.txt": "x"})
    run = sample.finish(sample.begin_pull_request(pull, "sample.yml"))
    assert {job.name: job.conclusion for job in run.jobs} == {
        "plan": "success",
        "train (a)": "success",
        "train (b)": "failure",
        "never": "skipped",
    }
    assert run.conclusion == "failure"
    assert run.summary == "# Planned\n"
    [note] = run.annotations
    assert (note["level"], note["file"], note["line"]) == ("warning", "a.py", "3")
    log = run.job("plan").step("git rev-list").log
    assert log.startswith("4\n")
    assert '"number": 1' in log
    # The token may read pull requests and nothing more.
    assert "Resource not accessible by integration" in log
    assert sample.comments(pull) == []


def test_triggers_are_those_of_the_file(sample: World) -> None:
    sample.commit({"README.md": "x"})
    with pytest.raises(HarnessError, match="does not run on push for these files"):
        sample.run_push("sample.yml")
