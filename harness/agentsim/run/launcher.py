"""Sets what posix_spawn cannot set, then becomes the command.

Run as `python -I -S launcher.py PLAN ARGV…` with a pipe as descriptor 3, on which it says why it
could not go on; a pipe that closes empty means that the command runs.  It imports little: it runs
before each command of a route with limits.
"""

import fcntl
import json
import os
import resource
import signal
import sys

_RESOURCES = {
    "address_space": resource.RLIMIT_AS,
    "cpu": resource.RLIMIT_CPU,
    "file_size": resource.RLIMIT_FSIZE,
    "open_files": resource.RLIMIT_NOFILE,
    "processes": resource.RLIMIT_NPROC,
    "core": resource.RLIMIT_CORE,
}
_REPORT = 3


def main() -> None:
    plan = json.loads(sys.argv[1])
    arguments = [os.fsencode(argument) for argument in sys.argv[2:]]
    fcntl.fcntl(_REPORT, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    step = plan["program"]
    address_space = None
    # Python ignores these from its start, and execve keeps what is ignored.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    try:
        for name, value in plan["limits"].items():
            step = f"limit {name}"
            if name == "umask":
                os.umask(value)
            elif name == "nice":
                try:  # noqa: SIM105 - contextlib takes its time
                    os.setpriority(os.PRIO_PROCESS, 0, value)
                except PermissionError:
                    pass  # nicer already, and not allowed to take it back: stays so
            else:
                _, hard = resource.getrlimit(_RESOURCES[name])
                # More than this host may give is as much as it may give.
                allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
                if name == "address_space":
                    address_space = allowed
                else:
                    resource.setrlimit(_RESOURCES[name], (allowed, allowed))
        step = plan["directory"]
        os.chdir(step)
        step = plan["program"]
        if address_space is not None:
            # Last: this interpreter itself may need more than the command is allowed.
            resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))
        os.execve(step, arguments, plan["environment"])
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno or 0) if isinstance(error, OSError) else str(error)
        # Nobody reads before the end, so this must fit into the pipe.
        shown = step if len(step) <= 500 else step[:500] + "…"
        os.write(_REPORT, f"{shown} can't be used: {reason}".encode(errors="replace"))
        os._exit(127)


if __name__ == "__main__":
    main()
