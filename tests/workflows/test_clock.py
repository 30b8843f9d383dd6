"""The clock: batches once, drift as issues that come and go, schedules that were missed."""

from __future__ import annotations

from tests.workflows.world import World


def test_a_new_repository_has_nothing_to_score_or_to_watch(world: World) -> None:
    for workflow, job in (("batch.yml", "due"), ("drift.yml", "watched")):
        run = world.schedule(workflow)
        assert run.conclusion == "success", run.log
        assert len(run.ran()) == 1
        assert run.job(job).outputs["count"] == "0"
        assert "never released" in run.summary
