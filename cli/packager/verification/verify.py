"""All that `verify` has to read, spread over the processors.

A first look asks of everything whether it is as it was made, which is nearly always so; what is not
is compared in detail. Large packages are not looked at twice: several processes compare their files
at once. Processes, not threads: of many small files most of the time is spent in Python between the
system calls, where threads wait for each other; of few large files both are equally quick, since
hashing and reading let other threads run.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress

from packager.base.errors import DataError, NotFound, PackagerError
from packager.package.package_id import parse_id
from packager.store.difference import UNREAD
from packager.store.installed import installed_ids
from packager.store.manifest_records import missing
from packager.store.store import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TypeVar

    from packager.base.events import Emit, Field
    from packager.store.difference import Difference

    Item = TypeVar("Item")

# Roughly, to deal the work out evenly; wrong guesses only cost time.
SECONDS_PER_BYTE = 1e-9
SECONDS_PER_FILE = 3e-5
SECONDS_PER_LOOK = 1e-5  # at a file, at first
SECONDS_PER_QUICK_LOOK = 4e-6
RECORD_BYTES_PER_FILE = 150  # about
MIN_PARALLEL_SECONDS = 0.05  # seconds of work from which on a second process is worth its start
MIN_SHARED_SECONDS = 0.01  # the same of a first look, whose processes start faster
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
    keys = [*ids, GENERATION] if active or not asked else ids
    results = _Results(root, keys, emit, named=bool(asked))
    doubtful = _first_look(root, ids, keys, processors, results, quick=quick)
    tasks = _tasks(root, [each for each in ids if each in doubtful], processors)
    if GENERATION in doubtful:
        tasks.append(Task(GENERATION, SECONDS_PER_FILE))
    results.expect(tasks)
    if processors == 1 or sum(task.seconds for task in tasks) < MIN_PARALLEL_SECONDS:
        for task in tasks:
            _do(root, task, results.hear, quick=quick)
    else:
        _side_by_side(root, tasks, processors, results, quick=quick)


def _first_look(
    root: str,
    ids: Sequence[str],
    keys: Sequence[str],
    processors: int,
    results: _Results,
    *,
    quick: bool,
) -> set[str]:
    """Tell of what is as it was made; the keys of what may not be."""
    from packager.base.shared_questions import answers

    weights, large = {}, set()
    for each in ids:
        if quick:
            weights[each] = _record_files(root, each) * SECONDS_PER_QUICK_LOOK
            continue
        size, files = _totals(root, each)
        weights[each] = size * SECONDS_PER_BYTE + files * SECONDS_PER_LOOK
        if size >= MIN_SPLIT_BYTES and processors > 1:
            large.add(each)
    if GENERATION in keys:
        # A link of each file; of a quick look it is a matter of directories.
        weights[GENERATION] = 0 if quick else sum(weights.values())
    store, generation = Store(root), _active(root)

    def is_as_made(key: str) -> bool:
        if key != GENERATION:
            return store.is_unchanged(key, quick=quick)
        from packager.verification.generation_check import check

        return check(root, quick=quick) == (generation, [])

    asked = [each for each in keys if each not in large]
    shared = processors > 1 and sum(weights.values()) >= MIN_SHARED_SECONDS
    shares = _dealt([(each, weights[each]) for each in asked], processors if shared else 1)
    doubtful = set(keys)
    for key, is_fine in answers(shares, is_as_made):
        if is_fine:
            doubtful.discard(key)
            number = generation if key == GENERATION else None
            results.hear("part", key=key, generation=number, gone=False)
    return doubtful


def _active(root: str) -> int | None:
    """The number of the active generation, None if it can't be told."""
    from packager.generations.document import active_number

    try:
        return active_number(root)
    except (DataError, OSError):
        return None


def _side_by_side(
    root: str, tasks: list[Task], processors: int, results: _Results, *, quick: bool
) -> None:
    from packager.base import worker_processes

    bins = _dealt([(each, each.seconds) for each in tasks], processors * BINS_PER_PROCESSOR)

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


def _dealt(weighted: Iterable[tuple[Item, float]], bins: int) -> list[list[Item]]:
    """The items in so many lots of about the same weight, none of them empty."""
    lots: list[list[Item]] = [[] for _ in range(bins)]
    loads = [0.0] * bins
    for item, weight in sorted(weighted, key=lambda pair: pair[1], reverse=True):
        lightest = loads.index(min(loads))
        lots[lightest].append(item)
        loads[lightest] += weight
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


def _record_files(root: str, package_id: str) -> float:
    """About how many files a package has, by the size of its record."""
    try:
        status = os.stat(f"{root}/manifests/{package_id}", follow_symlinks=False)  # noqa: PTH116
    except OSError:
        return 0
    return status.st_size / RECORD_BYTES_PER_FILE


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
    """What was found, told in the order of the keys, each as soon as its turn has come."""

    def __init__(self, root: str, keys: Iterable[str], emit: Emit, *, named: bool) -> None:
        self._root = root
        self._emit = emit
        self._named = named
        self._left = dict.fromkeys(keys, 1)  # parts that are still to be heard of, in order
        self._found: dict[str, list[dict[str, Field]]] = {}
        self._gone: set[str] = set()
        self._numbers: dict[str, Field] = {}

    def expect(self, tasks: Iterable[Task]) -> None:
        """What is still to be heard of comes in these parts."""
        for task in tasks:
            self._left[task.key] = task.parts

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
