"""What may be on the disk after a power loss: the calls of a command, cut anywhere and replayed.

A change is on the disk when the directory it was made in has been synced since, the content of a
file when the file has been. What was not synced may be there or not, change by change; only a
rename is all or nothing. No file system in use promises less than this, and most promise more.
"""

from __future__ import annotations

import codecs
import os
import random
import re
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from packager.base.errors import PackagerError

CALLS = (
    *("mkdir", "mkdirat", "openat", "write", "symlink", "symlinkat", "link", "linkat", "rename"),
    *("renameat", "renameat2", "unlink", "unlinkat", "rmdir", "ftruncate", "fsync", "syncfs"),
)
LINE = re.compile(r"^\d+ +(\w+)\((.*)\) += +(-?\d+|\?)")
GONE = re.compile(r"(?:unlinkat|rmdir)\(\d+</staging/")  # taken away there: nobody's any more
WORD = re.compile(r'(?:(\d+|AT_FDCWD)<([^>]*)>)|"((?:[^"\\]|\\.)*)"')


class Node:
    """An inode: a directory has `entries`, a link `text`, a file `content`."""

    def __init__(self) -> None:
        self.entries: dict[str, Node] | None = None
        self.text: str | None = None
        self.content = b""


class Change:
    """One change: what it does, and the inodes that bring it to the disk when they are synced."""

    def __init__(self, does: Callable[[], None], synced_by: list[Node], told: str) -> None:
        self.does = does
        self.synced_by = synced_by
        self.told = told
        self.durable_from: int | None = None  # the number of the sync that did it


class Recording:
    """The changes that a command made below `root`, in order."""

    def __init__(self, before: Path, root: Path, log: str) -> None:
        self._root = str(root)
        self._before = before
        self.changes: list[Change] = []
        self.reported = 0  # how many had been made when the command reported its result
        self._top = load(before, {})
        self._start = [_kept(node) for node in _all(self._top)]  # all inodes as they began
        for line in log.splitlines():
            match = LINE.match(line)
            if match and not match[3].startswith("-"):
                self._see(match[1], match[2], line)
        if not self.reported:
            self.reported = len(self.changes) + 1

    def images(self, seed: int = 1) -> Iterator[tuple[int, str, Callable[[Path], None]]]:
        """Every cut with some choices of what was not synced: how many changes had been made, which
        of them are lost in words, and a function that writes the image to an empty place."""
        chance = random.Random(seed)
        seen = set()
        for cut in range(len(self.changes) + 1):
            made = self.changes[:cut]
            pending = [
                n for n, c in enumerate(made) if c.durable_from is None or c.durable_from >= cut
            ]
            if cut and cut != self.reported and GONE.match(made[-1].told):
                continue
            choices = [set(pending), set(pending[-1:])]
            choices += [{n for n in pending if chance.random() < 0.5} for _ in range(2)]
            for lost in choices:
                kept = tuple(n for n in range(cut) if n not in lost)
                if (kept, cut >= self.reported) not in seen:
                    seen.add((kept, cut >= self.reported))
                    words = ", ".join(self.changes[n].told for n in sorted(lost))
                    yield cut, words, partial(self._write, kept)

    def _write(self, kept: tuple[int, ...], place: Path) -> None:
        for node, entries, text, content in self._start:
            node.entries = None if entries is None else dict(entries)
            node.text, node.content = text, content
        for number in kept:
            self.changes[number].does()
        store(self._top, place, {})

    def _see(self, call: str, arguments: str, line: str) -> None:
        words = WORD.findall(arguments)
        if call == "write":
            if arguments.startswith("1<"):
                self.reported = self.reported or len(self.changes)
                return
            if self._inside(words[0][1]):
                self._wrote(self._find(words[0][1]), _bytes(words[1][2]), line)
        elif call in ("fsync", "syncfs"):
            if call == "syncfs":
                self._synced(None)
            elif self._inside(words[0][1]):
                self._synced(self._find(words[0][1]))
        else:
            self._changed(call, arguments, words, line)

    def _changed(
        self, call: str, arguments: str, words: list[tuple[str, str, str]], line: str
    ) -> None:
        if call.startswith("symlink"):
            text, paths = _bytes(words[0][2]).decode(), _paths(words[1:])
            parent, name = self._place(paths[0])
            if parent is not None:
                node = Node()
                node.text = text
                self._start.append(_kept(node))
                self._put(parent, name, node, line)
            return
        paths = _paths(words)
        parent, name = self._place(paths[0])
        if parent is None or parent.entries is None:
            return
        if call.startswith("mkdir") or (call == "openat" and "O_CREAT" in arguments):
            if name not in parent.entries:
                node = Node()
                if call != "openat":
                    node.entries = {}
                self._start.append(_kept(node))
                self._put(parent, name, node, line)
        elif call.startswith(("unlink", "rmdir")):
            self._record(lambda: _take(parent, name), [parent], line)
        elif call.startswith("link"):
            target, new = self._place(paths[1])
            assert target is not None
            self._put(target, new, parent.entries[name], line)
        elif call.startswith("rename"):
            target, new = self._place(paths[1])
            node = parent.entries[name]
            if "RENAME_EXCHANGE" in arguments:
                assert target is not None
                self._record(lambda: _exchange(parent, name, target, new), [parent, target], line)
            elif target is None or target.entries is None:  # out of the store
                self._record(lambda: _take(parent, name), [parent], line)
            else:
                self._record(lambda: _move(parent, name, target, new, node), [parent, target], line)

    def _put(self, parent: Node, name: str, node: Node, line: str) -> None:

        def does() -> None:
            assert parent.entries is not None
            parent.entries[name] = node

        self._record(does, [parent], line)

    def _wrote(self, node: Node, data: bytes, line: str) -> None:
        def does() -> None:
            node.content += data

        self._record(does, [node], line)

    def _record(self, does: Callable[[], None], synced_by: list[Node], line: str) -> None:
        does()
        told = re.sub(r"^\d+ +", "", line).replace(self._root, "")[:90]
        self.changes.append(Change(does, synced_by, told))

    def _synced(self, node: Node | None) -> None:
        for change in self.changes:
            if change.durable_from is None and (node is None or node in change.synced_by):
                change.durable_from = len(self.changes) - 1

    def _inside(self, path: str) -> bool:
        return path == self._root or path.startswith(f"{self._root}/")

    def _find(self, path: str) -> Node:
        node = self._top
        for part in path[len(self._root) :].split("/"):
            if part:
                assert node.entries is not None, path
                node = node.entries[part]
        return node

    def _place(self, path: str) -> tuple[Node | None, str]:
        parent, _, name = path.rpartition("/")
        return (self._find(parent), name) if self._inside(parent) else (None, name)


def recording_to(log: Path) -> list[str]:
    """The tracer (see `fork_server.run`) whose log is that of a `Recording`."""
    calls = ",".join(f"?{each}" for each in CALLS)
    return ["strace", "-f", "-y", "-s", "1000000", "-e", f"trace={calls}", "-o", str(log)]


def judged(
    recording: Recording, image: Path, judge: Callable[[Path, bool], None]
) -> tuple[int, list[str]]:
    """Write every image in turn to the place `image` and have it judged: by an AssertionError or an
    error of the command that is lost which must not be. The judge is told whether the result had
    been reported by then. How many images there were, and what was lost."""
    tried = 0
    lost = []
    for cut, words, write in recording.images():
        shutil.rmtree(image, ignore_errors=True)
        write(image)
        tried += 1
        try:
            judge(image, cut >= recording.reported)
        except (AssertionError, PackagerError, OSError) as error:
            lost.append(f"after {cut} changes, without {words}: {error}")
    shutil.rmtree(image, ignore_errors=True)
    return tried, lost


def load(path: Path, known: dict[int, Node]) -> Node:
    """What is at `path` on the disk."""
    status = path.lstat()
    if status.st_ino in known:
        return known[status.st_ino]
    node = known[status.st_ino] = Node()
    if path.is_symlink():
        node.text = str(path.readlink())
    elif path.is_dir():
        node.entries = {each.name: load(each, known) for each in path.iterdir()}
    else:
        node.content = path.read_bytes()
    return node


def store(node: Node, path: Path, known: dict[int, Path]) -> None:
    """Write it to the disk at `path`."""
    if node.text is not None:
        path.symlink_to(node.text)
    elif node.entries is not None:
        path.mkdir()
        for name, child in node.entries.items():
            store(child, path / name, known)
    elif id(node) in known:
        os.link(known[id(node)], path)
    else:
        path.write_bytes(node.content)
        known[id(node)] = path


def _all(top: Node) -> list[Node]:
    found, todo, seen = [], [top], {id(top)}
    while todo:
        node = todo.pop()
        found.append(node)
        for child in (node.entries or {}).values():
            if id(child) not in seen:
                seen.add(id(child))
                todo.append(child)
    return found


def _kept(node: Node) -> tuple[Node, dict[str, Node] | None, str | None, bytes]:
    entries = None if node.entries is None else dict(node.entries)
    return node, entries, node.text, node.content


def _take(parent: Node, name: str) -> None:
    assert parent.entries is not None
    parent.entries.pop(name, None)


def _move(parent: Node, name: str, target: Node, new: str, node: Node) -> None:
    assert parent.entries is not None
    assert target.entries is not None
    if parent.entries.get(name) is node:
        del parent.entries[name]
    target.entries[new] = node


def _exchange(parent: Node, name: str, target: Node, new: str) -> None:
    assert parent.entries is not None
    assert target.entries is not None
    parent.entries[name], target.entries[new] = target.entries[new], parent.entries[name]


def _paths(words: list[tuple[str, str, str]]) -> list[str]:
    """The paths that the arguments of a call name, made absolute."""
    found = []
    directory = ""
    for number, place, text in words:
        if number:
            directory = place
        else:
            name = _bytes(text).decode()
            found.append(name if name.startswith("/") else f"{directory}/{name}")
    return found


def _bytes(text: str) -> bytes:
    return codecs.escape_decode(text.encode("latin-1"))[0]
