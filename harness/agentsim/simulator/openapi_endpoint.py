"""`/openapi.json`: what is served, as OpenAPI; a real agent has nothing there.

As the help of every libprocess it is for everybody who may call the host, credentials or not.
"""

from __future__ import annotations

import json

from agentsim.openapi.document import describe_tables
from agentsim.simulator.agent import Agent
from agentsim.simulator.exchange import ClientConnection, DocumentExchange, Exchange
from agentsim.wire.request_parser import Request

PATH = b"/openapi.json"


class OpenApiEndpoint:
    """Answers at `/openapi.json`.

    Args:
        agent: whose tables are described, as they are at each request.
    """

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    def exchange(self, connection: ClientConnection, request: Request) -> Exchange | None:
        """Who answers a request that no route takes, None if it is for another path."""
        if request.path != PATH or request.method != "GET":
            return None
        if refused := self._agent.refuse_other_sites(connection, request):
            return refused
        document = describe_tables(self._agent.tables, "/", guarded=self._agent.guarded)
        body = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        return DocumentExchange(connection, request, 200, headers, body)
