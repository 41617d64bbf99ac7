"""Many requests: places and queues, routes that do not wait for each other, and no leaks."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agentsim.suite.hosts.http_client import Connection, basic, request_bytes
from agentsim.suite.hosts.kinds import Host
from agentsim.suite.hosts.memory_use import MIB
from agentsim.suite.hosts.probe_files import PRINCIPAL, SECRET, Probes
from agentsim.suite.hosts.processes import descriptors, resident, threads, wait_until
from agentsim.suite.tests.rendezvous import Rendezvous

clause = pytest.mark.clause
#: Seconds that a shell may need for a thousand commands of five seconds, where a host has ten: it
#: has as much to do as a host besides.
SHELLS = 7.5


def refused(host: Host, path: str, rendezvous: Rendezvous) -> bool:
    """Whether a request is refused for want of a place."""
    answer = host.get(path, {"dir": rendezvous.dir})
    if answer.status == 200:
        return False
    assert (answer.status, answer.reason) == (503, "busy")
    assert answer.head.get("Retry-After") == "1"
    return True


@clause("ABI-LOAD-1", "ABI-LOAD-3")
@pytest.mark.parametrize(("path", "places"), [("/load/one", 1), ("/load/three", 3)])
def test_so_many_commands_run_at_once_and_no_more(
    local: Host, new_rendezvous: Callable[[], Rendezvous], path: str, places: int
) -> None:
    made = [new_rendezvous() for _ in range(places)]
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(local.connect()) for _ in made]
        for connection, rendezvous in zip(running, made, strict=True):
            connection.request("GET", f"{path}?dir={rendezvous.dir}")
            rendezvous.wait()
        late = new_rendezvous()
        for _ in range(3):
            assert refused(local, path, late)
        assert not late.has("started")
        for connection, rendezvous in zip(running, made, strict=True):
            rendezvous.go()
            assert connection.response().body == b"done\n"
        # and there is room again
        again = stack.enter_context(local.connect())
        again.request("GET", f"{path}?dir={late.dir}")
        late.wait()
        late.go()
        assert again.response().status == 200


@clause("ABI-LOAD-2", "ABI-LOAD-3")
def test_who_waits_is_served_in_turn(local: Host, new_rendezvous: Callable[[], Rendezvous]) -> None:
    made = [new_rendezvous() for _ in range(4)]  # one runs, three may wait
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(local.connect()) for _ in made]
        for number, (connection, rendezvous) in enumerate(zip(connections, made, strict=True)):
            connection.request("GET", f"/load/queue?dir={rendezvous.dir}")
            if number == 0:
                rendezvous.wait()
            # What was asked on a later connection must not be seen first.
            assert local.get("/load/say").body == b"said"
        assert refused(local, "/load/queue", new_rendezvous())
        for number, (connection, rendezvous) in enumerate(zip(connections, made, strict=True)):
            rendezvous.wait()
            assert [later.has("started") for later in made[number + 1 :]] == [False] * (3 - number)
            rendezvous.go()
            assert connection.response().body == b"done\n"


@clause("ABI-LOAD-2", "ABI-LOAD-3")
def test_nobody_waits_too_long(local: Host, new_rendezvous: Callable[[], Rendezvous]) -> None:
    first, late = new_rendezvous(), new_rendezvous()
    with local.connect() as connection:
        connection.request("GET", f"/load/impatient?dir={first.dir}")
        first.wait()
        assert refused(local, "/load/impatient", late)  # after a fifth of a second
        first.go()
        assert connection.response().status == 200
    assert not late.has("started")


@clause("ABI-LOAD-4")
def test_no_route_waits_for_another(local: Host, new_rendezvous: Callable[[], Rendezvous]) -> None:
    count, rendezvous = 150, new_rendezvous()
    with contextlib.ExitStack() as stack:
        blocked = [stack.enter_context(local.connect()) for _ in range(count)]
        for connection in blocked:
            connection.request("GET", f"/load/many?dir={rendezvous.dir}")
        rendezvous.wait()
        with local.connect() as other:
            for target in ("/load/say", "/plain/true", "/stream/say?stdout=x") * 5:
                other.request("GET", target)
                assert other.response().status == 200
                # A route that is full is another matter.
        assert not rendezvous.has("finished")


@clause("ABI-LOAD-4", "ABI-LOAD-1")
def test_a_full_route_leaves_the_others_alone(
    local: Host, new_rendezvous: Callable[[], Rendezvous]
) -> None:
    one, other = new_rendezvous(), new_rendezvous()
    with local.connect() as first, local.connect() as second:
        first.request("GET", f"/load/one?dir={one.dir}")
        one.wait()
        second.request("GET", f"/load/three?dir={other.dir}")
        other.wait()
        assert refused(local, "/load/one", new_rendezvous())
        assert local.get("/load/say").body == b"said"
        other.go()
        assert second.response().status == 200
        one.go()
        assert first.response().status == 200


@clause("ABI-LOAD-2", "ABI-PROC-12", "ABI-LIFE-1")
def test_a_queue_of_starts_that_fail(
    own_host: Callable[..., Host],
    probes: Probes,
    new_rendezvous: Callable[[], Rendezvous],
    tmp_path: Path,
) -> None:
    """The program goes away while many wait for the one place to run it."""
    program = probes.directory / "commands" / f"vanishing-{os.urandom(4).hex()}"
    shutil.copy(probes.directory / "commands" / "probe", program)
    route = {
        "path": "/run",
        "method": "GET",
        "argv": ["block", "--dir={dir}"],
        "parameters": {"dir": {"type": "string"}},
        "concurrency": 1,
        "queue": {"length": 1000, "seconds": 600},
    }
    table = {"abi": 1, "process": "vanishing", "command": [str(program)], "routes": [route]}
    tmp_path.chmod(0o755)
    file = tmp_path / "vanishing.json"
    file.write_text(json.dumps(table))
    host, rendezvous = own_host(tables=[file]), new_rendezvous()
    with contextlib.ExitStack() as stack:
        first, *others = (stack.enter_context(host.connect()) for _ in range(401))
        first.request("GET", f"/vanishing/run?dir={rendezvous.dir}")
        rendezvous.wait()
        for other in others:
            other.request("GET", f"/vanishing/run?dir={rendezvous.dir}")

        def waiting() -> int:
            answer = host.get("/metrics/snapshot", headers=[basic(PRINCIPAL, SECRET)])
            return int(json.loads(answer.body)["commands/vanishing/run/GET/waiting"])

        wait_until(
            lambda: waiting() == len(others),
            host.deadline,
            "400 requests that wait",
        )
        program.unlink()
        rendezvous.go()
        assert first.response().status == 200
        for other in others:
            answer = other.response()
            assert (answer.status, answer.reason) == (500, "start-failed")
    host.signal(signal.SIGTERM)
    assert host.wait() in (0, -signal.SIGTERM)


@pytest.mark.alone
@clause("ABI-LOAD-5")
def test_a_thousand_commands_of_five_seconds(host: Host) -> None:
    for _ in range(3):  # another program may need the machine for a while
        with contextlib.ExitStack() as stack:
            connections: list[Connection] = [
                stack.enter_context(host.connect()) for _ in range(1000)
            ]
            started = time.monotonic()
            for connection in connections:
                connection.request("GET", "/sleeper/five")
            for connection in connections:
                assert connection.response().status == 200
            seconds = time.monotonic() - started
        if seconds <= 10:
            return
    shell = host.get("/load/sleepers").seconds
    took = f"it took {seconds:.1f} s, three times; a shell that only starts them, {shell:.1f} s"
    if shell > SHELLS:
        pytest.skip(f"this machine is too slow or too busy to tell: {took}")
    pytest.fail(took)


@clause("ABI-LOAD-6")
def test_nothing_grows_with_the_number_of_requests(
    host: Host, pid: int, pytestconfig: pytest.Config
) -> None:
    targets = (
        "/plain/true",
        "/probe/say?stdout=x&stderr=y",
        "/probe/say?code=3",
        "/probe/argv/rest",
        "/probe/typed?number=x",
        "/stream/say?stdout=x",
        "/nobody",
        "/probe/zeros?bytes=70000",
    )

    def some(count: int) -> None:
        for start in range(0, count, 50):
            with host.connect() as connection:
                for number in range(start, start + 50):
                    connection.request("GET", targets[number % len(targets)])
                    connection.response()

    def state() -> tuple[int, int]:
        return len(descriptors(pid)), threads(pid)

    count = int(pytestconfig.option.abi_requests)
    some(count // 2)
    before, memory = state(), resident(pid)
    some(count)
    wait_until(
        lambda: all(now <= then for now, then in zip(state(), before, strict=True)),
        host.deadline,
        f"a return to {before} descriptors and threads",
    )
    assert resident(pid) - memory < 8 * MIB
    # The last answer was a file; its client may have all of it before the host has closed it.
    wait_until(
        lambda: not [where for where in descriptors(pid) if "(deleted)" in where],
        host.deadline,
        "the end of the last file in the spool",
    )
    if host.spool is not None:
        assert list(host.spool.iterdir()) == []


@clause("ABI-PROC-14")
@pytest.mark.parametrize("limit", ["open_files", "processes"])
def test_an_exhausted_host_says_so_and_recovers(own_host: Callable[..., Host], limit: str) -> None:
    host = own_host(**{limit: 64 if limit == "open_files" else 16})
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(host.connect()) for _ in range(30)]
        for connection in connections:
            connection.request("GET", "/sleeper/five")
        refused = wait_until(
            lambda: [connection for connection in connections if connection.readable()],
            host.deadline,
            "a refusal",
        )
        for connection in refused:
            answer = connection.response()
            assert (answer.status, answer.reason) == (503, "exhausted")
            assert answer.head.get("Retry-After") == "1"
        assert len(refused) < len(connections), "nothing was started"
    wait_until(lambda: host.get("/plain/true").status == 200, host.deadline, "room again")
    assert host.get("/load/say").body == b"said"


@clause("ABI-PROC-14")
def test_without_a_descriptor_for_a_large_body_the_host_is_exhausted_not_its_disk_full(
    own_host: Callable[..., Host],
) -> None:
    host = own_host(open_files=64)
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(host.connect()) for _ in range(40)]
        for connection in connections:  # more than a host keeps in memory, and no end
            connection.send(request_bytes("POST", "/probe/count", [("Content-Length", "200000")]))
            connection.send(b"x" * 100_000)
        refused = wait_until(
            lambda: [connection for connection in connections if connection.readable()],
            host.deadline,
            "a refusal",
        )
        for connection in refused:
            answer = connection.response()
            assert (answer.status, answer.reason) == (503, "exhausted")
            assert answer.head.get("Retry-After") == "1"
    wait_until(
        lambda: host.post("/probe/count", b"x" * 100_000).status == 200, host.deadline, "room again"
    )


@clause("ABI-PROC-14")
def test_more_clients_than_descriptors_are_served_when_there_is_room(
    own_host: Callable[..., Host],
) -> None:
    host = own_host(open_files=48)
    idle = [host.connect() for _ in range(100)]
    for connection in idle:
        connection.close()
    wait_until(lambda: host.get("/load/say").status == 200, host.deadline, "room again")
