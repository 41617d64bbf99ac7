"""Clients that leave, and what becomes of their commands."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agentsim.suite.hosts.http_client import Connection, request_bytes
from agentsim.suite.hosts.kinds import Host
from agentsim.suite.hosts.processes import of_request, wait_until
from agentsim.suite.tests.rendezvous import Rendezvous

clause = pytest.mark.clause
Tagged = list[tuple[str, str]]

LEAVE = {
    "closes": Connection.close,
    "resets": Connection.reset,
    "half-closes": Connection.half_close,
}


@clause("ABI-DISC-1", "ABI-DISC-4")
@pytest.mark.parametrize("how", list(LEAVE))
def test_a_client_that_leaves_ends_a_silent_command(
    local: Host, rendezvous: Rendezvous, request_id: str, tagged: Tagged, how: str
) -> None:
    with local.connect() as connection:
        connection.request("GET", f"/leave/kill?dir={rendezvous.dir}", tagged)
        rendezvous.wait()
        LEAVE[how](connection)
        assert rendezvous.wait("ended") == "TERM"
        wait_until(lambda: not of_request(request_id), local.deadline, "its end")


@clause("ABI-DISC-1", "ABI-TIME-2")
def test_a_client_that_leaves_ends_a_deaf_command(
    local: Host, rendezvous: Rendezvous, request_id: str, tagged: Tagged
) -> None:
    with local.connect() as connection:
        connection.request("GET", f"/leave/kill/deaf?dir={rendezvous.dir}", tagged)
        rendezvous.wait()
    wait_until(lambda: not of_request(request_id), local.deadline, "its end")
    assert not rendezvous.has("finished")


@clause("ABI-DISC-1")
@pytest.mark.parametrize("how", list(LEAVE))
def test_a_client_that_leaves_in_mid_stream_ends_the_command(
    local: Host, rendezvous: Rendezvous, request_id: str, tagged: Tagged, how: str
) -> None:
    with local.connect() as connection:
        connection.request("GET", f"/stream/drip?dir={rendezvous.dir}", tagged)
        assert connection.head().status == 200
        assert connection.chunk()
        LEAVE[how](connection)
        wait_until(lambda: not of_request(request_id), local.deadline, "its end")


@clause("ABI-DISC-2")
@pytest.mark.parametrize("how", list(LEAVE))
@pytest.mark.parametrize("path", ["/leave/finish", "/stream/drip/finish"])
def test_a_command_may_run_on(
    local: Host, rendezvous: Rendezvous, request_id: str, tagged: Tagged, path: str, how: str
) -> None:
    with local.connect() as connection:
        connection.request("GET", f"{path}?dir={rendezvous.dir}", tagged)
        rendezvous.wait()
        LEAVE[how](connection)
        assert local.get("/load/say").body == b"said"  # the host has seen it
        assert of_request(request_id)
        rendezvous.go()
        rendezvous.wait("finished")
    wait_until(lambda: not of_request(request_id), local.deadline, "its end")
    if local.log_file is not None:
        wait_until(lambda: request_id in local.log(), local.deadline, "its outcome in the log")


@clause("ABI-DISC-3")
@pytest.mark.parametrize("how", list(LEAVE))
def test_a_client_that_leaves_during_its_upload_starts_nothing(
    local: Host, rendezvous: Rendezvous, how: str
) -> None:
    with local.connect() as connection:
        whole = request_bytes("POST", f"/leave/body?dir={rendezvous.dir}", (), b"x" * 500_000)
        connection.send(whole[:-1])
        LEAVE[how](connection)
        assert local.get("/load/say").body == b"said"
        assert not rendezvous.has("started")


def waits(host: Host, connection: Connection, rendezvous: Rendezvous) -> bool:
    """Ask for a place; whether the request waits, and is not refused."""
    connection.request("GET", f"/leave/queue?dir={rendezvous.dir}")
    # A host with several threads may answer what comes later, on another connection, before.
    return not (connection.readable(0.25) and connection.response().status == 503)


@clause("ABI-DISC-3", "ABI-LOAD-2")
@pytest.mark.parametrize("how", list(LEAVE))
def test_a_client_that_leaves_the_queue_starts_nothing_and_makes_room(
    local: Host, new_rendezvous: Callable[[], Rendezvous], how: str
) -> None:
    first, second, third = new_rendezvous(), new_rendezvous(), new_rendezvous()
    with local.connect() as running, local.connect() as leaving, local.connect() as next_one:
        running.request("GET", f"/leave/queue?dir={first.dir}")
        first.wait()
        leaving.request("GET", f"/leave/queue?dir={second.dir}")
        assert not leaving.readable(0.25), "refused, though there is room in the queue"
        assert local.get("/leave/queue", {"dir": third.dir}).status == 503
        LEAVE[how](leaving)
        wait_until(lambda: waits(local, next_one, third), local.deadline, "room in the queue")
        first.go()
        assert running.response().body == b"done\n"
        third.wait()
        third.go()
        assert next_one.response().body == b"done\n"
    assert not second.has("started")


@clause("ABI-DISC-5")
def test_who_leaves_or_stops_to_read_harms_nobody(
    local: Host, new_rendezvous: Callable[[], Rendezvous]
) -> None:
    bystander = new_rendezvous()
    with local.connect() as connection:
        connection.request("GET", f"/stream/block?dir={bystander.dir}&stdout=x")
        assert connection.head().status == 200
        assert connection.chunk() == b"x"
        unread = []
        for how in LEAVE.values():
            for target in ("/stream/sequence?bytes=10000000", "/probe/zeros?bytes=10000000"):
                rude = local.connect()
                rude.small_window()
                rude.request("GET", target)
                rude.receive()
                how(rude)
                still = local.connect()
                still.small_window()
                still.request("GET", target)
                unread.append(still)
        for _ in range(20):
            assert local.get("/load/say").body == b"said"
        bystander.go()
        rest = b"".join(iter(connection.chunk, b""))
        assert rest.startswith(b"done\n") and b'"exit_code":0' in rest
        for still in unread:
            still.close()
