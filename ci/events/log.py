"""The file `events.jsonl`: a line an event, each with the hash of the one before.

A machine's own lies in `.mlops/`, that of the releases on the branch `mlops-state`.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ci.errors import MlopsError
from ci.events.event import START, Draft, Event, hash_of, written
from ci.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ci.repository import Repository

FILE = "events.jsonl"
HEAD = "events.head"


def clock() -> datetime:
    """What the machine's clock says, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Log:
    """The events in one folder.

    ``shared`` says that several processes use it: then they append one after the other, and its
    head is written down beside it. A copy of the state branch is in one process's hands.
    """

    folder: Path
    shared: bool

    @property
    def path(self) -> Path:
        """The file of events."""
        return self.folder / FILE

    def events(self) -> list[Event]:
        """All events, oldest first, held against each other.

        A last line that was cut off while it was written is no event yet.

        Raises:
            MlopsError: ``broken_chain`` naming the first event that does not fit.
        """
        found: list[Event] = []
        for number, line in enumerate(self.lines()[0], 1):
            event = parse(line)
            last = found[-1] if found else None
            if isinstance(event, str) or not follows(last, event):
                raise broken(self.path, f"line {number} does not fit the line before it")
            found.append(event)
        return found

    def lines(self) -> tuple[list[str], str]:
        """The whole lines, and what stands after the last of them."""
        try:
            text = self.path.read_bytes().decode("utf-8", errors="surrogateescape")
        except FileNotFoundError:
            return [], ""
        *whole, rest = text.split("\n")
        return whole, rest

    def readable(self) -> list[Event]:
        """The events that can be read by themselves, whatever the chain is like."""
        parsed = [parse(line) for line in self.lines()[0]]
        return [event for event in parsed if isinstance(event, Event)]

    def head(self) -> str | None:
        """``sequence:hash`` of the newest event, or None where there is none."""
        events = self.events()
        return head_of(events[-1]) if events else None

    def append(self, *drafts: Draft) -> list[Event]:
        """Write events to the disk, in this order; returns them.

        Raises:
            MlopsError: ``broken_chain``, or ``events_unwritable`` where nothing was written.
        """
        return self.decide(lambda _: list(drafts))

    def decide(self, what: Callable[[list[Event]], list[Draft]]) -> list[Event]:
        """Append what follows from the events so far, while nobody else appends.

        Raises:
            MlopsError: as `append`.
        """
        with self.held():
            events = self.events()
            self._require_head(events)
            last, lines = events[-1] if events else None, []
            for draft in what(events):
                last, line = _after(last, draft)
                events.append(last)
                lines.append(line)
            if lines and last:
                self._write("".join(lines))
                if self.shared:
                    write_whole(self.folder / HEAD, f"{head_of(last)}\n")
            return events[len(events) - len(lines) :]

    def recorded_head(self) -> str | None:
        """The head that was written down beside the file, or None."""
        try:
            return (self.folder / HEAD).read_text(errors="replace").strip()
        except FileNotFoundError:
            return None

    def forget_head(self) -> None:
        """For a chain that begins anew."""
        (self.folder / HEAD).unlink(missing_ok=True)

    def require_whole(self) -> None:
        """Find out before anything is changed whether an event can follow.

        Raises:
            MlopsError: ``broken_chain``.
        """
        self._require_head(self.events())

    def _require_head(self, events: list[Event]) -> None:
        head = self.recorded_head() if self.shared else None
        if head is not None and head not in map(head_of, events):
            number = head.partition(":")[0]
            gone = f"event {number} was there and is not now"
            raise broken(self.path, gone if number.isdecimal() else f"{HEAD} names no event")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep others from appending meanwhile."""
        if not self.shared:
            yield
            return
        path = self.folder / "locks" / "events.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("a")
        except OSError as error:
            raise _unwritable(self.path, error) from None
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _write(self, text: str) -> None:
        """Add whole lines, in place of what a killed writer left of one at the end."""
        handle: int | None = None
        torn = len(self.lines()[1].encode(errors="surrogateescape"))
        size = 0
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o644)
            size = os.fstat(handle).st_size - torn
            os.ftruncate(handle, size)
            os.lseek(handle, size, os.SEEK_SET)
            data = text.encode()
            while data:
                data = data[os.write(handle, data) :]
            os.fsync(handle)
        except OSError as error:
            if handle is not None:
                os.ftruncate(handle, size)
            raise _unwritable(self.path, error) from None
        finally:
            if handle is not None:
                os.close(handle)


def own_log(repository: Repository) -> Log:
    """What this machine did."""
    return Log(repository.state_dir, shared=True)


def released_log(state: Path) -> Log:
    """What was released, according to the files of the state branch in the folder ``state``."""
    return Log(state, shared=False)


def parse(line: str) -> Event | str:
    """The event in a line, or what is wrong with the line."""
    try:
        fields = json.loads(line)
        event = Event.model_validate(fields)
    except (ValueError, RecursionError):
        return "it is no event"
    if event.hash != _hash_or_none(fields):
        return "its hash is not that of its content"
    if line.rstrip("\r") != written(fields):  # such as a key that stands there twice
        return "it is not written as the log writes it"
    return event


def _hash_or_none(fields: dict[str, Any]) -> str | None:
    try:
        return hash_of(fields)
    except (ValueError, UnicodeEncodeError):
        return None


def follows(last: Event | None, event: Event) -> bool:
    """Whether ``event`` is the one after ``last``."""
    if last is None:
        return (event.sequence, event.previous) == (1, START)
    return (event.sequence, event.previous) == (last.sequence + 1, last.hash)


def head_of(event: Event) -> str:
    """How a head is written down: ``sequence:hash``."""
    return f"{event.sequence}:{event.hash}"


def broken(path: Path, why: str) -> MlopsError:
    """The error for a chain that can't be gone on with."""
    return MlopsError(
        "broken_chain",
        f"The events in {path.parent.name}/{path.name} were changed by hand or lost ({why}); "
        "type `mlops audit verify` to see where; bring the file back from a copy or from the "
        "history of mlops-state, or type `mlops audit begin-again` to go on with a new chain.",
    )


def _unwritable(path: Path, error: OSError) -> MlopsError:
    return MlopsError(
        "events_unwritable",
        f"The event could not be written to {path.parent.name}/{path.name} "
        f"({error.strerror or error}); make room or mend the permissions, and type the same "
        "command again, which then finishes what it began.",
    )


def _after(last: Event | None, draft: Draft) -> tuple[Event, str]:
    """The event that ``draft`` becomes after ``last``, and its line."""
    now = clock()
    back = (last.at - now).total_seconds() if last else 0.0
    fields = {
        **draft.model_dump(mode="json", exclude_none=True),
        "sequence": last.sequence + 1 if last else 1,
        "previous": last.hash if last else START,
        "at": now.isoformat(timespec="microseconds"),
        **({"clock_back_seconds": back} if back > 0 else {}),
    }
    event = Event.model_validate({**fields, "hash": hash_of(fields)})
    return event, f"{written(fields)}\n"
