"""What anybody sees who looks at the repository."""

from __future__ import annotations

from tests.workflows.standin.commits import latest
from tests.workflows.standin.hub import BOT, Document, Hub
from tests.workflows.standin.pulls import head_sha

WATERMARK = '"CML watermark kronkers/report"'
MAIN = "refs/heads/main"


class View:
    """Looks at a hub and changes nothing."""

    def __init__(self, hub: Hub) -> None:
        self.github = hub

    @property
    def main(self) -> str:
        """The newest commit of main."""
        return self.github.git("rev-parse", MAIN)

    def head(self, pull: int) -> str:
        """The newest commit of a pull request."""
        return head_sha(self.github, self.github.pulls[pull])

    def status(self, pull_or_commit: int | str, context: str = "verdict") -> Document:
        """The latest commit status of a context; empty where there is none."""
        one = pull_or_commit
        commit = self.head(one) if isinstance(one, int) else one
        return latest(self.github, commit).get(context, {})

    def comments(self, number: int) -> list[Document]:
        """Comments of an issue or pull request, oldest first."""
        return [each for each in self.github.comments if each["number"] == number]

    def report(self, pull: int) -> str:
        """The one report on a pull request; more than one is a failure."""
        found = [
            each
            for each in self.comments(pull)
            if WATERMARK in each["body"] and each["login"] == BOT
        ]
        assert len(found) == 1, f"{len(found)} reports on #{pull}"
        return str(found[0]["body"])

    def file(self, path: str, ref: str = "main") -> str:
        """A file as it is on a branch."""
        return self.github.git("show", f"{ref}:{path}")
