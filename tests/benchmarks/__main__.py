"""`make bench`: runs the benchmarks named on the command line, or all of them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ci.console import step
from ci.repository import Repository
from tests.benchmarks import batch, drift, frames, pull_request, scaling
from tests.benchmarks.results import table, this_machine, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.benchmarks.results import Result

BENCHMARKS: dict[str, Callable[[], list[Result]]] = {
    "frames": frames.run,
    "batch": batch.run,
    "scaling": scaling.run,
    "drift": drift.run,
    "pull-request": pull_request.run,
}


def main(names: list[str]) -> int:
    """Run, print, write; 1 if a limit was missed, 2 if a name is unknown."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"No benchmark {unknown[0]!r}; there are: {', '.join(BENCHMARKS)}.", file=sys.stderr)
        return 2
    results: list[Result] = []
    for name in names or BENCHMARKS:
        with step(f"Benchmark {name}"):
            results += BENCHMARKS[name]()
    repository = Repository.find()
    path = repository.state_dir / "bench" / "bench.json"
    write(path, results, this_machine())
    print(table(results))
    print(f"Written to {repository.relative(path)}")
    return int(any(result.missed for result in results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
