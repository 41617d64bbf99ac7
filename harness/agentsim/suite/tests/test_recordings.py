"""What libprocess was seen to do, byte by byte, on connections of every kind."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

import pytest

from agentsim.files.recording_format import Recorded, read
from agentsim.suite.hosts.kinds import Host, Kind
from agentsim.suite.hosts.probe_files import FIXTURES
from agentsim.suite.recording_comparison import applies, differences, paths, play

clause = pytest.mark.clause


def _groups() -> list[tuple[str, list[Recorded]]]:
    found = []
    for file in sorted((FIXTURES / "recorded").glob("*.json")):
        exchanges = [exchange for exchange in read(file) if not applies(exchange)]
        for group, members in groupby(exchanges, lambda exchange: exchange.name.partition("/")[0]):
            found.append((f"{file.stem}-{group}", list(members)))
    return found


#: http-parser counts a byte of a head twice at the end of each read. These were sent in one go and
#: are as large as can be: where a network cuts them, they are too large.
AT_THE_LIMIT = ("head-size/81919", "head-size/81920")


@clause("ABI-ERR-8")
@pytest.mark.parametrize(
    "exchanges", [pytest.param(members, id=name) for name, members in _groups()]
)
def test_the_recorded_exchanges(kind: Kind, host: Host, exchanges: list[Recorded]) -> None:
    near = host.address[0].startswith("127.")
    # It is no libprocess alone that was recorded if it answers them itself.
    played = [
        exchange
        for exchange in exchanges
        if not any(path.startswith(kind.own_paths) for path in paths(exchange))
        and (near or exchange.name not in AT_THE_LIMIT)
    ]

    def replay(exchange: Recorded, times: int = 3) -> list[str]:
        # What was sent in pieces may arrive in one, on a busy machine; it is another exchange then.
        found = differences(exchange, *play(host.address, exchange, host.deadline / 10))
        return replay(exchange, times - 1) if found and times > 1 else found

    with ThreadPoolExecutor(32) as pool:
        results = pool.map(replay, played)
    wrong = [
        f"{exchange.name}: {difference}"
        for exchange, found in zip(played, results, strict=True)
        for difference in found
    ]
    assert not wrong, f"{len(wrong)} differences:\n" + "\n".join(wrong)
