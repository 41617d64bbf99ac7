"""Why a command failed, and the exit status that says so.

One exception a word of sysexits.h; the command line prints the message and ends with
`exit_code`. This module is imported by every command, so it imports nothing itself.
"""


class PackagerError(Exception):
    """A failure that a person can act on. The message names what, why and the remedy."""

    exit_code = 70  # EX_SOFTWARE; only the subclasses are raised


class UsageError(PackagerError):
    """The command line is wrong: an option, an id, an argument (EX_USAGE)."""

    exit_code = 64


class DataError(PackagerError):
    """Bad data: a hostile or cut archive, a hash that differs, a changed tree (EX_DATAERR)."""

    exit_code = 65


class NotFound(PackagerError):
    """A package or a source that is not there (EX_NOINPUT)."""

    exit_code = 66


class Unavailable(PackagerError):
    """A remote that does not answer (EX_UNAVAILABLE)."""

    exit_code = 69


class Conflict(PackagerError):
    """The id is taken by other content (EX_CANTCREAT)."""

    exit_code = 73


class InputOutputError(PackagerError):
    """The disk is full, read-only or broken (EX_IOERR)."""

    exit_code = 74


class Temporary(PackagerError):
    """Trying again later may help: a lock that stays held, no descriptors left (EX_TEMPFAIL)."""

    exit_code = 75


class ProtocolError(PackagerError):
    """The remote answered something that is not an answer (EX_PROTOCOL)."""

    exit_code = 76


class Denied(PackagerError):
    """The operating system or the remote forbids it (EX_NOPERM)."""

    exit_code = 77


class ConfigError(PackagerError):
    """The root or another setting can't be used at all (EX_CONFIG)."""

    exit_code = 78


def from_os_error(error: OSError, place: str = "", *, store: str = "") -> PackagerError:
    """`error` as the failure to report; the only place where errno becomes an exit status.

    `place` is the path to name where the error itself knows none or a relative one; `store` the
    root of the store at work, if there is one: only for what is in it another --root helps.
    """
    import errno

    path = place or store
    if isinstance(error.filename, str) and (error.filename.startswith("/") or not path):
        path = error.filename
    reason = error.strerror or str(error)
    kinds: dict[int, tuple[type[PackagerError], str]] = {
        errno.ENOSPC: (InputOutputError, "free some space and run the command again"),
        errno.EDQUOT: (InputOutputError, "raise the quota or free some space"),
        errno.EFBIG: (InputOutputError, "raise the limit on file sizes (ulimit -f)"),
        errno.EROFS: (InputOutputError, "mount the file system writable"),
        errno.EIO: (InputOutputError, "the device failed; look at the kernel's log"),
        errno.ESTALE: (InputOutputError, "the server of this file system has lost it; mount again"),
        errno.EBUSY: (InputOutputError, "something uses it; is something mounted there?"),
        errno.ETXTBSY: (InputOutputError, "a program runs from it; stop that first"),
        errno.ENOTEMPTY: (InputOutputError, "something else is in it; move that away"),
        errno.EISDIR: (InputOutputError, "a file is needed there, not a directory"),
        errno.EMLINK: (InputOutputError, "the file system allows no more links to it"),
        errno.EOPNOTSUPP: (InputOutputError, "this file system can't do that; use another one"),
        errno.ENOSYS: (
            InputOutputError,
            "the kernel, or a filter of system calls (seccomp), lacks what is needed",
        ),
        errno.EACCES: (Denied, "run as a user who may"),
        errno.EPERM: (
            Denied,
            "run as a user who may; root is refused what is immutable ('lsattr' tells), and what "
            "its container does not allow",
        ),
        errno.ENOENT: (ConfigError, "it can't be made, or was taken away"),
        errno.EEXIST: (ConfigError, "a directory is needed there"),
        errno.ENOTDIR: (ConfigError, "a directory is needed there"),
        errno.ELOOP: (ConfigError, "a directory is needed there, not a link"),
        errno.ENAMETOOLONG: (ConfigError, "a shorter path is needed"),
        errno.EXDEV: (
            ConfigError,
            "what is in a store must be on one file system, and nothing in it a mount of its own; "
            "mount all of the store there",
        ),
        errno.EMFILE: (Temporary, "too many open files; raise the limit (ulimit -n)"),
        errno.ENFILE: (Temporary, "too many open files; try again"),
        errno.ENOMEM: (Temporary, "not enough memory; try again"),
        errno.EAGAIN: (
            Temporary,
            "try again; of processes there may be too many (ulimit -u)",
        ),
    }
    kind, remedy = kinds.get(error.errno or 0, (InputOutputError, "look at the kernel's log"))
    elsewhere = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENAMETOOLONG)
    if store and error.errno in elsewhere and (path == store or path.startswith(f"{store}/")):
        remedy += ", or give another --root"
    return kind(f"{path}: {reason}: {remedy}" if path else f"{reason}: {remedy}")
