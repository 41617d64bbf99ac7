"""All that `verify` has to read, spread over the processors.

Processes, not threads: of many small files most of the time is spent in Python between the system
calls, where threads wait for each other; of few large files both are equally quick, since hashing
and reading let other threads run. A large package is read by several at once.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress

from packager.base.errors import NotFound, PackagerError
from packager.package.package_id import parse_id
from packager.store.installed import installed_ids
from packager.store.manifest_records import missing
from packager.store.store import Store
from packager.store.tree_comparison import UNREAD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from packager.base.events import Emit, Field
    from packager.store.tree_comparison import Difference

# Roughly, to deal the work out evenly; wrong guesses only cost time.
SECONDS_PER_BYTE = 1e-9
SECONDS_PER_FILE = 3e-5
SECONDS_PER_QUICK_CHECK = 4e-4  # a package of which nothing was touched
MIN_PARALLEL_SECONDS = 0.05  # seconds of work from which on a second process is worth its start
MIN_SPLIT_BYTES = 64 << 20  # bytes of a package that are worth a part of their own
BINS_PER_PROCESSOR = 4  # a processor: whoever is done sooner takes another one
GENERATION = ""  # the key of the active generation; no package has an empty id


class Task:
    """A package, or a part of a large one, or the active generation."""

    __slots__ = ("key", "part", "parts", "seconds")

    def __init__(self, key: str, seconds: float, part: int = 0, parts: int = 1) -> None:
        self.key = key
        self.seconds = seconds
        self.part = part
        self.parts = parts


def verify(
    root: str,
    asked: Sequence[str],
    emit: Emit,
    processors: int | None = None,
    *,
    active: bool = False,
    quick: bool = False,
) -> None:
    """Verify these packages; without one, all of them and the active generation.

    active: the active generation, too. quick: files of packages that were not touched since they
    were added are not read.

    Events, in the order of the ids, those of the generation (with `generation` in place of `id`)
    last: `difference` (id, path, kind, reason), and `verified` (id, ok, differences; unread: how
    many could not be looked at, if any) when all is known of one. Raises NotFound for an id that is
    not there, UsageError, PackagerError.
    """
    root = os.path.abspath(root)  # noqa: PTH100
    ids = [str(parse_id(each)) for each in asked] or installed_ids(root)
    for each in ids if asked else ():
        if not os.path.lexists(f"{root}/packages/{each}"):
            raise missing(root, each)
    processors = processors or len(os.sched_getaffinity(0))
    tasks = (
        [Task(each, SECONDS_PER_QUICK_CHECK) for each in ids]
        if quick
        else _tasks(root, ids, processors)
    )
    if active or not asked:
        tasks.append(Task(GENERATION, SECONDS_PER_FILE))
    results = _Results(root, tasks, emit, named=bool(asked))
    if processors == 1 or sum(task.seconds for task in tasks) < MIN_PARALLEL_SECONDS:
        for task in tasks:
            _do(root, task, results.hear, quick=quick)
    else:
        _side_by_side(root, tasks, processors, results, quick=quick)


def _side_by_side(
    root: str, tasks: list[Task], processors: int, results: _Results, *, quick: bool
) -> None:
    from packager.base import worker_processes

    bins = dealt(tasks, processors * BINS_PER_PROCESSOR)

    def work(number: int, emit: Emit) -> dict[str, Field]:
        for task in bins[number]:
            _do(root, task, emit, quick=quick)
        return {}

    def hear(_: str, document: dict[str, Field]) -> None:
        event = str(document.pop("event"))
        if event == "failed":
            error = PackagerError(str(document["error"]))
            error.exit_code = int(str(document["exit_code"]))
            raise error
        if event != "done":
            results.hear(event, **document)

    names = [str(number) for number in range(len(bins))]
    worker_processes.run(names, work, at_once=processors, emit=hear, done="done")


def dealt(tasks: Iterable[Task], bins: int) -> list[list[Task]]:
    """The tasks in so many lots of about the same size, none of them empty."""
    lots: list[list[Task]] = [[] for _ in range(bins)]
    loads = [0.0] * bins
    for task in sorted(tasks, key=lambda task: task.seconds, reverse=True):
        lightest = loads.index(min(loads))
        lots[lightest].append(task)
        loads[lightest] += task.seconds
    return [lot for lot in lots if lot]


def _tasks(root: str, ids: Iterable[str], processors: int) -> list[Task]:
    tasks = []
    for package_id in ids:
        size, files = _totals(root, package_id)
        parts = max(1, min(processors, size // MIN_SPLIT_BYTES, files))
        seconds = (size * SECONDS_PER_BYTE + files * SECONDS_PER_FILE) / parts
        tasks += [Task(package_id, seconds, part, parts) for part in range(parts)]
    return tasks


def _totals(root: str, package_id: str) -> tuple[int, int]:
    """Bytes and files of a package as its record says, which may be damaged: to be told later."""
    try:
        with open(f"{root}/manifests/{package_id}", "rb") as file:  # noqa: PTH123
            head = json.loads(file.readline())
        return max(0, int(head["size"])), max(0, int(head["files"]))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return 0, 0


def _do(root: str, task: Task, emit: Emit, *, quick: bool) -> None:
    """Do a task. Events: `found` (key, path, kind, reason), and at its end `part` (key, generation,
    gone: whether there is nothing to verify any more)."""
    number: int | None = None
    found: list[Difference] | None = None
    if task.key == GENERATION:
        from packager.verification.generation_check import check

        checked = check(root, quick=quick)
        if checked is not None:
            number, found = checked
    else:
        with suppress(NotFound):  # it was removed since the ids were listed
            verified = Store(root).verify_package(task.key, task.part, task.parts, quick=quick)
            found = verified.differences
    for each in found or ():
        emit("found", key=task.key, path=each.path, kind=each.kind, reason=each.reason)
    emit("part", key=task.key, generation=number, gone=found is None)


class _Results:
    """What the tasks have found, told in order, each as soon as its turn has come."""

    def __init__(self, root: str, tasks: Iterable[Task], emit: Emit, *, named: bool) -> None:
        self._root = root
        self._emit = emit
        self._named = named
        self._left: dict[str, int] = {}  # parts that are still to be heard of, in order
        for task in tasks:
            self._left[task.key] = self._left.get(task.key, 0) + 1
        self._found: dict[str, list[dict[str, Field]]] = {}
        self._gone: set[str] = set()
        self._numbers: dict[str, Field] = {}

    def hear(self, event: str, /, **fields: Field) -> None:
        """An event of `_do`."""
        key = str(fields.pop("key"))
        if event == "found":
            self._found.setdefault(key, []).append(fields)
            return
        self._numbers[key] = fields["generation"]
        if fields["gone"]:
            self._gone.add(key)
        self._left[key] -= 1
        for each in list(self._left):
            if self._left[each]:
                return
            del self._left[each]
            self._tell(each)

    def _tell(self, key: str) -> None:
        found = sorted(self._found.pop(key, ()), key=lambda each: str(each["path"]))
        if key in self._gone:
            if self._named and key != GENERATION:
                raise missing(self._root, key)
            return
        subject: dict[str, Field] = {"id": key}
        if key == GENERATION:
            subject = {"generation": self._numbers[key]}
        for each in found:
            self._emit("difference", **subject, **each)
        unread = sum(each["kind"] == UNREAD for each in found)
        more = {"unread": unread} if unread else {}
        self._emit("verified", **subject, ok=not found, differences=len(found) - unread, **more)
