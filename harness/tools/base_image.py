"""A base image for the project's Dockerfile, made from the distribution's packages: no registry.

    sudo python3 harness/tools/base_image.py
    docker build --build-arg=BASE_IMAGE=mesos-packager:base --target=simulator .

debootstrap (Debian and Ubuntu have it) fetches the packages of a minimal system; what is no
documentation nor translation of it is imported as an image. Where the packages come from is said by
arguments, or by this machine's own apt. Needs root, as debootstrap does.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

IMAGE: Final = "mesos-packager:base"
#: What the Dockerfile needs of its base image; with these in it, the simulator's build needs no
#: package of the distribution in the image itself.
PACKAGES: Final = ("ca-certificates", "python3", "tini")
# Of /usr/share; of doc/ the copyrights stay.
_LEFT_OUT: Final = ("info", "lintian", "locale", "man")
# The same for what is installed on top of the image.
_SLIM: Final = "".join(
    [f"path-exclude /usr/share/{folder}/*\n" for folder in (*_LEFT_OUT, "doc")]
    + ["path-include /usr/share/doc/*/copyright\n"]
)


class CannotMake(Exception):
    """There will be no image; the text says why and what helps."""


@dataclass(frozen=True)
class Source:
    """Where packages come from: a line of apt's sources.list(5) without its `deb`."""

    url: str
    suite: str
    components: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join((self.url, self.suite, *self.components))


def parse_source(line: str) -> Source:
    """A source from a line `URL SUITE COMPONENT…`.

    Raises:
        CannotMake: it is no such line, or has a password in it, which would be in the image.
    """
    words = line.split()
    if len(words) < 3 or not urlsplit(words[0]).scheme:
        raise CannotMake(f"--source {line!r}: expected 'URL SUITE COMPONENT…'")
    url, suite, *components = words
    if "@" in urlsplit(url).netloc:
        raise CannotMake(
            f"--source …@{urlsplit(url).hostname}: this would be kept in the image: give the name"
            " and password in ~/.netrc (of root, for wget) instead"
        )
    return Source(url, suite, tuple(components))


def merged(lines: Sequence[str], codename: str) -> list[Source]:
    """The sources of a release among apt's own, one for each place, that of the release first.

    Args:
        lines: `URL SUITE COMPONENT` each, as apt tells them.
        codename: of the release.
    """
    components: dict[tuple[str, str], list[str]] = {}
    for line in lines:
        url, suite, component = line.split()
        if suite == codename or suite.startswith(f"{codename}-"):
            known = components.setdefault((url, suite), [])
            if component not in known:
                known.append(component)
    found = [Source(url, suite, tuple(names)) for (url, suite), names in components.items()]
    return sorted(found, key=lambda source: source.suite != codename)


def own_sources() -> list[Source]:
    """This machine's sources of its own release.

    Raises:
        CannotMake: it has none.
    """
    targets = _run("apt-get", "indextargets", "--format=$(REPO_URI) $(RELEASE) $(COMPONENT)",
                "Created-By: Packages")  # fmt: skip
    codename = _release()
    found = merged(targets.splitlines(), codename)
    if not found or found[0].suite != codename:
        raise CannotMake(
            f"this machine's apt knows no source of {codename or 'its release'}: name one"
            " (--source 'URL SUITE COMPONENT…')"
        )
    return found


def _release() -> str:
    for line in Path("/etc/os-release").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition("=")
        if name == "VERSION_CODENAME":
            return value.strip("\"'")
    return ""


def fill(root: Path, sources: Sequence[Source], packages: Sequence[str]) -> None:
    """Make a minimal system in a directory.

    Raises:
        CannotMake: debootstrap did not.
    """
    first = sources[0]
    _run(
        *("debootstrap", "--variant=minbase", f"--components={','.join(first.components)}"),
        *(f"--include={','.join(packages)}", first.suite, str(root), first.url),
    )
    lines = "".join(f"deb {source}\n" for source in sources)
    (root / "etc/apt/sources.list").write_text(lines, encoding="utf-8")
    (root / "etc/dpkg/dpkg.cfg.d/slim").write_text(_SLIM, encoding="utf-8")
    emptied = [root / folder for folder in ("var/cache/apt", "var/lib/apt/lists", "var/log")]
    emptied += [root / "usr/share" / folder for folder in _LEFT_OUT]
    for folder in emptied:
        for entry in folder.iterdir() if folder.is_dir() else ():
            _delete(entry)
    for folder in (root / "usr/share/doc").iterdir():
        for entry in folder.iterdir() if folder.is_dir() and not folder.is_symlink() else ():
            if entry.name != "copyright":
                _delete(entry)


def _delete(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink()


def _run(*words: str) -> str:
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise CannotMake(f"this machine has no {words[0]}: install it") from None
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-5:]
        raise CannotMake("\n".join([f"{words[0]} failed ({done.returncode}):", *last]))
    return done.stdout


def make(tag: str, sources: Sequence[Source], packages: Sequence[str]) -> None:
    """Make and import the image.

    Raises:
        CannotMake: it could not be made.
    """
    if os.geteuid() != 0:
        raise CannotMake("debootstrap needs root: run this with sudo")
    with tempfile.TemporaryDirectory(prefix="base-image-") as directory:
        root = Path(directory, "root")
        fill(root, sources, packages)
        with subprocess.Popen(
            ["tar", "--create", "--numeric-owner", "--sort=name", f"--directory={root}", "."],
            stdout=subprocess.PIPE,
        ) as tar:
            imported = subprocess.run(
                ["docker", "import", "--change=CMD [\"bash\"]", "-", tag],
                stdin=tar.stdout, capture_output=True, text=True, check=False,
            )  # fmt: skip
        if tar.returncode or imported.returncode:
            raise CannotMake(f"the image can't be imported: {imported.stderr.strip()}")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description="Makes a base image for the project's Dockerfile without any registry.",
        epilog="Example: sudo python3 harness/tools/base_image.py"
        " --source 'http://mirror.example/debian bookworm main'",
    )
    parser.add_argument("--tag", default=IMAGE, help="name of the image (default: %(default)s)")
    parser.add_argument(
        *("--source", "-s"),
        action="append",
        metavar="'URL SUITE COMPONENT…'",
        help="where packages come from, the release itself first; may be repeated (default: what"
        " this machine's apt has of its own release)",
    )
    parser.add_argument(
        *("--package", "-p"),
        action="append",
        default=[],
        help=f"a further package; {', '.join(PACKAGES)} are in it anyway",
    )
    arguments = parser.parse_args()
    try:
        lines = arguments.source
        sources = [parse_source(line) for line in lines] if lines else own_sources()
        make(arguments.tag, sources, [*PACKAGES, *arguments.package])
    except CannotMake as reason:
        sys.exit(f"base_image.py: {reason}")
    print(f"{arguments.tag}: made from {sources[0]}")


if __name__ == "__main__":
    main()
