"""How fast hosts run `/bin/true` for a request, against a bare spawn-and-wait loop of it.

All hosts and the loop are measured in turns in the same run, since machines are noisy; each cell is
the median of the rounds' ratios.  CPU is what a host and its children used, over what the loop and
its children used.  The simulator is always there; the module where ABI_MODULE_BUILD names a build
of it; webhook and lighttpd where they are installed.  (lighttpd answers 500 to a program that says
nothing, having done as much.)

Usage: `python host.py [--rounds N] [--requests N] [--widths N,N] [HOST…]`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from agentsim.suite.hosts import free_port

TABLE = """{"abi": 1, "process": "bench", "command": ["/bin/true"],
 "defaults": {"concurrency": 1000},
 "routes": [{"path": "/true", "method": "GET", "argv": []}]}"""
LIGHTTPD = """server.modules = ("mod_cgi")
server.bind = "127.0.0.1"
server.port = {port}
server.document-root = "{root}"
server.errorlog = "/dev/null"
server.max-fds = 4096
cgi.assign = ("" => "")
"""
Running = tuple[str, int]  # host:port and process id


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=1500, help="in each round of each cell")
    parser.add_argument("--widths", default="1,8,64", help="requests at a time")
    parser.add_argument("hosts", nargs="*", choices=[*HOSTS, []], help="which (default: all)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as top, ExitStack() as stack:
        loop, client = (_built(Path(top), name) for name in ("spawn_loop", "http_load"))
        running: dict[str, Running] = {}
        for name in arguments.hosts or HOSTS:
            directory = Path(top, name)
            directory.mkdir()
            try:
                running[name] = stack.enter_context(HOSTS[name](directory))
            except LookupError as reason:
                print(f"{name} is left out: {reason.args[0]}")
        print(f"{'at a time':>9} {'host':<10} {'req/s':>8} {'req/s ÷ loop':>13} {'CPU ÷ loop':>11}")
        for width in map(int, arguments.widths.split(",")):
            _report(loop, client, running, width, arguments)


def _report(
    loop: str, client: str, running: dict[str, Running], width: int, arguments: argparse.Namespace
) -> None:
    """The rows of all hosts, so many requests at a time."""
    count = arguments.requests
    rows: dict[str, list[tuple[float, float, float]]] = {name: [] for name in running}
    before = _loop(loop, count // 2)
    for _ in range(arguments.rounds):
        for name, (address, pid) in running.items():
            used = _cpu(pid)
            rate = _load(client, address, width, count)
            cpu = (_cpu(pid) - used) / count
            after = _loop(loop, count // 2)
            loop_rate = (before[0] + after[0]) / 2
            loop_cpu = (before[1] + after[1]) / 2
            rows[name].append((rate, rate / loop_rate, cpu / loop_cpu))
            before = after
    for name, each in rows.items():
        cells = [statistics.median(column) for column in zip(*each, strict=True)]
        print(f"{width:9} {name:<10} {cells[0]:8.0f} {cells[1]:13.2f} {cells[2]:11.2f}", flush=True)


def _built(directory: Path, name: str) -> str:
    """A program of this directory in C: the yardstick, and the client, must cost little."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        sys.exit("host: this benchmark needs a C compiler")
    program = directory / name
    source = Path(__file__).with_name(f"{name}.c")
    subprocess.run([compiler, "-O2", "-o", program, source], check=True)
    return str(program)


def _load(program: str, address: str, width: int, count: int) -> float:
    """Requests a second, so many at a time."""
    _, port = address.rsplit(":", 1)
    command = [program, port, "/bench/true", str(width), str(count)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return count / float(done.stdout)


def _loop(loop: str, count: int) -> tuple[float, float]:
    """Starts a second, and CPU seconds a start."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    subprocess.run([loop, str(count), "/bin/true"], check=True)
    seconds = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return count / seconds, cpu / count


def _cpu(pid: int) -> float:
    """CPU seconds of a process and of the children it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def simulator(directory: Path, text: str = TABLE) -> Iterator[Running]:
    """Run the simulator with a route table."""
    table = directory / "bench.json"
    table.write_text(text)
    command = [sys.executable, "-m", "agentsim", "serve", str(table), "--port", "0"]
    with _started(directory, command) as running:
        yield running


@contextmanager
def module(directory: Path) -> Iterator[Running]:
    """Run the module on libprocess. Raises LookupError: it was not built."""
    build = os.environ.get("ABI_MODULE_BUILD")
    if build is None:
        raise LookupError("ABI_MODULE_BUILD names no build of it")
    table = directory / "bench.json"
    table.write_text(TABLE)
    command = [f"{build}/host", f"--spool_dir={directory}", "--unguarded=allow"]
    listen = ["env", "LIBPROCESS_IP=127.0.0.1", "LIBPROCESS_PORT=0"]
    with _started(directory, [*listen, *command, f"--routes={table}"]) as running:
        yield running


@contextmanager
def webhook(directory: Path) -> Iterator[Running]:
    """Run webhook. Raises LookupError: it is not installed."""
    hooks = directory / "hooks.json"
    hook = {"id": "bench/true", "execute-command": "/bin/true"}
    hooks.write_text(json.dumps([{**hook, "include-command-output-in-response": True}]))
    port = free_port()
    command = [_installed("webhook"), "-hooks", str(hooks), "-ip", "127.0.0.1"]
    with _started(directory, [*command, "-port", str(port), "-urlprefix", ""], port) as running:
        yield running


@contextmanager
def lighttpd(directory: Path) -> Iterator[Running]:
    """Run lighttpd's CGI. Raises LookupError: it is not installed."""
    program = _installed("lighttpd")
    (directory / "bench").mkdir()
    shutil.copy("/bin/true", directory / "bench/true")
    port = free_port()
    settings = directory / "lighttpd.conf"
    settings.write_text(LIGHTTPD.format(port=port, root=directory))
    with _started(directory, [program, "-D", "-f", str(settings)], port) as running:
        yield running


HOSTS: dict[str, Callable[[Path], AbstractContextManager[Running]]] = {
    "simulator": simulator,
    "module": module,
    "webhook": webhook,
    "lighttpd": lighttpd,
}


def _installed(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if found is None:
        raise LookupError("it is not installed")
    return found


@contextmanager
def _started(directory: Path, command: list[str], port: int = 0) -> Iterator[Running]:
    """Run a host until the end of the block. port: where it listens; 0: its log tells."""
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        while not (address := _address(log, port)):
            if process.poll() is not None:
                sys.exit(f"{command[0]} did not start: {log.read_text()[-2000:]}")
            time.sleep(0.02)
        yield address, process.pid
    finally:
        process.terminate()
        process.wait()


def _address(log: Path, port: int) -> str:
    if not port:
        found = re.search(r"(?:http://|served on )(\S+:\d+)", log.read_text())
        return found[1] if found else ""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return ""
    return f"127.0.0.1:{port}"


if __name__ == "__main__":
    main()
