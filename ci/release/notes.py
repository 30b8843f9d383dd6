"""What a release says of itself on GitHub, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.report.markdown import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ci.github.client import GitHub
    from ci.release.approvals import Approval
    from ci.release.staged import Staged
    from ci.state.records import Release


def notes(release: Release, staged: Staged, approval: Approval, github: GitHub) -> str:
    """Markdown: where the version comes from, who approved it, why it passed, how to serve it."""
    rules = [f"| {r.rule} | {r.result} | {plain(r.detail)} |" for r in staged.verdict.rules]
    return "\n".join(
        [
            f"**{release.model}, version {release.version}**",
            "",
            f"- Candidate: {_origin(staged)}",
            f"- Approved by: {_approved(approval)}",
            f"- Judged against: {_rival(staged)}",
            f"- Answered on staging: one row in {staged.median_seconds * 1000:.0f} ms (median), "
            f"{staged.slowest_seconds * 1000:.0f} ms at most",
            f"- Bento: `{release.bento}`, digest `sha256:{release.digest}`",
            *([f"- Image: `{release.image}`"] if release.image else []),
            f"- MLflow run: `{release.run_id}`, trained as `{release.source_run_id}` "
            f"at {release.trained_at}",
            f"- [The run that released it]({github.context.run_url})",
            "",
            "| rule | result | why |",
            "|---|---|---|",
            *rules,
            "",
            how_to_serve([release.model]),
        ]
    )


def how_to_serve(models: Sequence[str]) -> str:
    """What to type on any machine to have released versions answer there."""
    return (
        "A workflow can't serve. Hosts to which `policies/deployment.yaml` gives "
        f"{', '.join(models)} take it from here, and without one nothing answers yet. To make a "
        "machine a host, name it there under `hosts`, and on it, in a clone of this repository:"
        "\n\n```sh\nmake setup\n.venv/bin/mlops host NAME\n```"
    )


def _origin(staged: Staged) -> str:
    number = f" in #{staged.pull}" if staged.pull else ""
    if staged.candidate == "reviewed":
        return f"the one that was reviewed{number}"
    return f"trained again{number}, since {plain(staged.why or '')}"


def _approved(approval: Approval) -> str:
    if approval.approvers:
        return ", ".join(f"@{login}" for login in approval.approvers)
    return approval.note or "nobody"


def _rival(staged: Staged) -> str:
    if staged.champion_version is None:
        return "the contract's baselines, since it is the first version"
    return f"version {staged.champion_version}, which was in production"
