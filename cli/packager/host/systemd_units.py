"""Unit files in systemd's own directory, and the calls of systemctl.

    UNITS_DIR/web.service                      a copy of the package's file
    UNITS_DIR/dcos.target.wants/web.service    a link to it: dcos.target wants it
    UNITS_DIR/dcos.target                      made if it is not there

Copies, not links: systemd reads them at boot, maybe before the store's file system is mounted.
A template (`web@.service`) is copied but not wanted; its instances are stopped and restarted. So is
a static unit, which a timer or a socket starts.

systemctl is called once a step, never with an empty list.
"""

from __future__ import annotations

import os
from contextlib import suppress

from packager.base.digest import sha256
from packager.base.durable_files import replace_file_in
from packager.base.errors import (
    ConfigError,
    Conflict,
    Denied,
    InputOutputError,
    PackagerError,
)
from packager.base.stop_signals import signals_deferred
from packager.host.host_plan import TARGET
from packager.host.system_programs import find_program, program
from packager.package.declarations import read_unit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from packager.host.documents import Placement, UnitState

WANTS = f"{TARGET}.wants"
TARGET_CONTENT = (
    b"[Unit]\nDescription=The active packages\n\n[Install]\nWantedBy=multi-user.target\n"
)
TEMPORARY = ".packager.new"
BOOTED = "/run/systemd/system"
IN_CHROOT = "Running in chroot"  # systemctl ignores most of what it is told there, successfully
# The steps of a plan that systemd has a part in.
STEPS = frozenset(
    ("stop", "restart", "start", "try_restart", "place", "remove", "target", "reload")
)
MASK = "/dev/null"
DISTRIBUTION_DIRECTORIES = ("/usr/lib/systemd/system", "/lib/systemd/system")
NOT_LOADED = 5  # systemctl stop: no such unit, so it is stopped (systemctl(1), EXIT STATUS)
LOG_LINES = 10
MAX_LOG_CHARACTERS = 4096  # characters of one unit's log that are reported


class Failure:
    """A unit that did not get where it should: its state in systemd's words, its last log lines."""

    __slots__ = ("log", "state", "unit")

    def __init__(self, unit: str, state: str, log: str) -> None:
        self.unit = unit
        self.state = state
        self.log = log

    def document(self) -> dict[str, str]:
        """As JSON has it."""
        return {"unit": self.unit, "state": self.state, "log": self.log}


def check_place(units_dir: str, entry: Placement, *, ours: bool) -> None:
    """Raise Conflict if the place of a unit is taken by a file that nobody of us has put there."""
    path = f"{units_dir}/{entry['unit']}"
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            content = file.read()
    except NotADirectoryError:  # told of before anything is placed: `refuse_unless_writable`
        return
    except FileNotFoundError:
        if not os.path.islink(path):  # noqa: PTH114
            return
        content = b""  # it leads to nothing, but it is there
    if not ours and sha256(content) != entry["sha256"]:
        raise Conflict(
            f"{path} is there already and is not of a package; "
            f"{entry['package']} has a unit of this name: move the file away"
        )


def begin(unit: UnitState, sha256: str | None = None) -> None:
    """Note in the state of a unit that its file is being exchanged for one with this SHA-256, or
    (None) taken away. What was there by our doing stays known, however often this is cut off."""
    known = unit.setdefault("placed", [])
    for each in (unit.get("sha256"), sha256):
        if each and each not in known:
            known.append(each)
    unit["sha256"] = ""


def edited(units_dir: str, name: str, unit: UnitState, new: str | None = None) -> bytes | None:
    """The content of a unit file that is neither one placed by us, as its state says, nor has the
    SHA-256 `new`: somebody has edited it. None: it is not edited, or not there. Raises OSError."""
    try:
        with open(f"{units_dir}/{name}", "rb") as file:  # noqa: PTH123
            content = file.read()
    except FileNotFoundError:
        return None
    known = {unit.get("sha256"), new, *unit.get("placed", ())}
    return None if sha256(content) in known else content


def refuse_unless_writable(units_dir: str) -> None:
    """Raise what says why unit files can't be placed in UNITS_DIR, or taken away: ConfigError,
    InputOutputError, Denied; OSError."""
    for path in (f"{units_dir}/{WANTS}", units_dir):
        place = path
        while not os.path.lexists(place):
            place = os.path.dirname(place)  # noqa: PTH120
        failed = f"{place}: unit files can't be placed there"
        elsewhere = "give --units-dir (and have systemd read it) or --rooted-systemd"
        if not os.path.isdir(place):  # noqa: PTH112
            raise ConfigError(f"{failed}: it is no directory; move it away, or {elsewhere}")
        if os.statvfs(place).f_flag & os.ST_RDONLY:
            raise InputOutputError(
                f"{failed}: the file system is read-only; mount it writable, or {elsewhere}"
            )
        if not os.access(place, os.W_OK | os.X_OK):
            who = "run as root" if os.geteuid() else "is it immutable? 'lsattr -d' tells"
            raise Denied(f"{failed}: permission denied; {who}, or {elsewhere}")


def is_masked(units_dir: str, name: str) -> bool:
    """Whether the unit's place is a link to /dev/null: it can't be started (systemctl(1), mask)."""
    try:
        return os.readlink(f"{units_dir}/{name}") == MASK  # noqa: PTH115
    except OSError:
        return False


def overridden(name: str) -> str | None:
    """The path of a unit file of this name that the distribution has; one in UNITS_DIR takes its
    place (systemd.unit(5), "Unit File Load Path")."""
    paths = (f"{directory}/{name}" for directory in DISTRIBUTION_DIRECTORIES)
    return next((path for path in paths if os.path.lexists(path)), None)


def place(units_dir: str, root: str, entry: Placement) -> None:
    """Copy a unit file from its package, durably, and make the target want it, unless it is static.
    Raises OSError, DataError."""
    tree = f"{root}/packages/{entry['package']}"
    content = read_unit(entry["package"], tree, entry["path"])
    name = entry["unit"]
    replace_file_in(units_dir, name, content, temporary=f".{name}{TEMPORARY}")
    if entry.get("static"):
        with suppress(FileNotFoundError):
            os.unlink(f"{units_dir}/{WANTS}/{name}")  # noqa: PTH108
    elif not is_template(name):
        _link(f"{units_dir}/{WANTS}", name)


def place_target(units_dir: str) -> None:
    """Make dcos.target. Raises OSError."""
    replace_file_in(units_dir, TARGET, TARGET_CONTENT, temporary=f".{TARGET}{TEMPORARY}")


def remove(units_dir: str, name: str) -> None:
    """Take a unit file away, and the link first. Raises OSError."""
    for path in (f"{units_dir}/{WANTS}/{name}", f"{units_dir}/{name}"):
        try:
            os.unlink(path)  # noqa: PTH108
        except FileNotFoundError:
            continue


def sweep(units_dir: str) -> None:
    """Take away what killed activations have left unfinished. Raises OSError."""
    for directory in (units_dir, f"{units_dir}/{WANTS}"):
        for name in os.listdir(directory):  # noqa: PTH208
            if name.endswith(TEMPORARY):
                with suppress(FileNotFoundError):
                    os.unlink(f"{directory}/{name}")  # noqa: PTH108


def sync(units_dir: str) -> None:
    """Make what was placed and removed durable. Raises OSError."""
    for path in (f"{units_dir}/{WANTS}", units_dir):
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def make_directories(units_dir: str) -> None:
    """Make UNITS_DIR and the directory of the target's links. Raises OSError."""
    os.makedirs(f"{units_dir}/{WANTS}", 0o755, exist_ok=True)  # noqa: PTH103


def is_template(name: str) -> bool:
    """Whether the unit is one that only instances of can run."""
    return "@." in name


def addressed(names: Iterable[str]) -> list[str]:
    """What to tell systemctl: the units, and all loaded instances of templates."""
    return [name.replace("@.", "@*.") for name in names]


def systemctl(*words: str) -> tuple[int, str]:
    """Call systemctl; its exit status and what it said. Raises ConfigError without one,
    InputOutputError if it can't be started."""
    path = program("systemctl")
    try:
        return _run(path, *words)
    except OSError as error:
        raise InputOutputError(
            f"{path} can't be started: {error.strerror}; without systemd, give --no-systemd"
        ) from error


def why_not_booted() -> str | None:
    """Why systemd can't be asked for anything on this host; None: it can be.

    Where systemd is process 1 there is BOOTED (sd_booted(3)). Elsewhere systemctl is asked: what
    stands in for systemd in some containers answers. Raises nothing.
    """
    if os.path.isdir(BOOTED):  # noqa: PTH112
        return None
    try:
        code, said = systemctl("show", "--property=Version")
    except PackagerError as error:
        return str(error)
    if code == 0 and IN_CHROOT not in said:
        return None
    first = said.partition("\n")[0] or f"systemctl ended with {code}"
    return f"this host was not booted with systemd ({first})"


def refuse_unless_booted() -> None:
    """Raise ConfigError if systemd can't be asked for anything on this host."""
    reason = why_not_booted()
    if reason is not None:
        remedy = "" if "--no-systemd" in reason else "; without systemd, give --no-systemd"
        raise ConfigError(f"nothing was changed: {reason}{remedy}")


def failures(names: Sequence[str], said: str) -> list[Failure]:
    """Those of the units that systemd does not have where they should be, with their logs.

    `said` is what systemctl said when it was told to start them; where systemd can't tell about a
    unit that `said` names, that is the state. Raises InputOutputError.
    """
    real = [name for name in names if not is_template(name)]
    if not real:
        return []
    states = _show(real, "Id,LoadState,ActiveState,SubState,Result")
    found = []
    for name in real:
        state = states.get(name)
        if state is None:
            if name in said:
                found.append(Failure(name, said, ""))
        elif _has_failed(state):
            found.append(Failure(name, _failure(state), last_log(name)))
    return found


def unknown(names: Sequence[str]) -> list[str]:
    """Those of the units that systemd has no file of. Raises InputOutputError."""
    real = [name for name in names if not is_template(name)]
    if not real:
        return []
    states = _show(real, "Id,LoadState")
    return [name for name in real if states.get(name, {}).get("LoadState") == "not-found"]


def masked(names: Sequence[str]) -> list[str]:
    """Those of the units that the administrator has masked. Raises InputOutputError."""
    real = [name for name in names if not is_template(name)]
    if not real:
        return []
    states = _show(real, "Id,LoadState")
    return [name for name in real if states.get(name, {}).get("LoadState") == "masked"]


class Standing:
    """A unit that does not run though it should: `state` is "failed" or "stopped"; `words` are
    systemd's."""

    __slots__ = ("state", "unit", "words")

    def __init__(self, unit: str, state: str, words: str) -> None:
        self.unit = unit
        self.state = state
        self.words = words

    def __str__(self) -> str:
        return self.words if self.state in self.words else f"{self.state}: {self.words}"


def not_running(names: Iterable[str]) -> list[Standing]:
    """Those of these units of the active set that have failed, or that somebody has stopped.

    A unit that is done (a one-shot service), that waits for its trigger (a timer, a socket), or
    whose conditions do not hold, is as it should be; so are templates. Raises InputOutputError if
    systemd can't tell.
    """
    real = [name for name in names if not is_template(name)]
    if not real:
        return []
    asked = (
        *("Id", "LoadState", "ActiveState", "SubState", "Result"),
        *("Type", "RemainAfterExit", "TriggeredBy"),
        *("ConditionResult", "ConditionTimestampMonotonic"),
    )
    code, shown = systemctl("show", f"--property={','.join(asked)}", *real)
    if code:
        raise InputOutputError(f"systemctl show: {shown or code}; without systemd, --no-systemd")
    states = _states(shown)
    found = []
    for name in real:
        state = states.get(name, {})
        if _has_failed(state):
            found.append(Standing(name, "failed", _failure(state)))
        elif state.get("ActiveState") == "inactive" and not _is_at_rest(state):
            found.append(Standing(name, "stopped", "inactive"))
    return found


def _is_at_rest(state: dict[str, str]) -> bool:
    """Whether an inactive unit is one that need not be active."""
    asked = state.get("ConditionTimestampMonotonic", "0") != "0"  # else it says no, too
    if state.get("TriggeredBy") or (asked and state.get("ConditionResult") == "no"):
        return True
    return state.get("Type") == "oneshot" and state.get("RemainAfterExit") != "yes"


def last_log(unit: str) -> str:
    """The last lines that the journal has of a unit; "" if there is no journal."""
    import subprocess

    path = find_program("journalctl")
    if path is None:
        return ""
    words = (f"--unit={unit}", f"--lines={LOG_LINES}", "--output=cat", "--no-pager", "--quiet")
    try:
        return _run(path, *words, complaints=False, timeout=10)[1][-MAX_LOG_CHARACTERS:]
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _run(*words: str, complaints: bool = True, timeout: float | None = None) -> tuple[int, str]:
    """Run a program that only asks systemd for something: exit status, what it said (`complaints`:
    on standard error, too). Told to stop, it is ended at once; systemd goes on with what it was
    told. Raises OSError, TimeoutExpired."""
    import subprocess

    process = None
    try:
        with signals_deferred():
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if complaints else subprocess.DEVNULL,
            )
        said, _ = process.communicate(timeout=timeout)
    except BaseException:
        if process is not None:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
        raise
    return process.returncode, said.decode(errors="replace").strip()


def _has_failed(state: dict[str, str]) -> bool:
    if state.get("LoadState") in ("not-found", "bad-setting", "error", "masked"):
        return True
    if state.get("ActiveState") == "failed":
        return True
    # A service that dies and is started again and again is "activating" in between.
    return state.get("SubState") == "auto-restart" and state.get("Result") != "success"


def _failure(state: dict[str, str]) -> str:
    """How a unit has failed, in systemd's words."""
    if state.get("LoadState") not in ("loaded", None):
        return str(state.get("LoadState"))
    return f"{state.get('ActiveState')} ({state.get('Result')})"


def _show(names: Sequence[str], properties: str) -> dict[str, dict[str, str]]:
    """Properties of these units, by name; {} if systemd can't tell."""
    code, shown = systemctl("show", f"--property={properties}", *names)
    return _states(shown) if code == 0 else {}


def _states(shown: str) -> dict[str, dict[str, str]]:
    """systemctl show: name=value lines, an empty line between units."""
    found: dict[str, dict[str, str]] = {}
    for block in shown.split("\n\n"):
        state = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if "Id" in state:
            found[state["Id"]] = state
    return found


def _link(directory: str, name: str) -> None:
    path, temporary = f"{directory}/{name}", f"{directory}/.{name}{TEMPORARY}"
    target = f"../{name}"
    with suppress(OSError):
        if os.readlink(path) == target:  # noqa: PTH115
            return
    with suppress(FileNotFoundError):
        os.unlink(temporary)  # noqa: PTH108
    os.symlink(target, temporary)  # noqa: PTH211
    os.rename(temporary, path)  # noqa: PTH104
