"""Checks for schemathesis, which loads this file: what the schemas of answers can't say."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import schemathesis
from agentsim.openapi.answers import SCHEMAS
from schemathesis import Case, CheckContext, Response

# Refusals by the host, of a request that the description allows. A command may refuse more.
REFUSALS = ("unknown-path", "unknown-parameter", "missing-parameter", "bad-parameter")
EXIT_RECORD = jsonschema.Draft202012Validator(SCHEMAS["ExitRecord"])


@schemathesis.check
def streams_end_with_an_exit_record(_: CheckContext, response: Response, __: Case[Any]) -> None:
    """The last line of a stream is the exit record."""
    if not response.headers.get("content-type", [""])[0].startswith("application/x-ndjson"):
        return
    last = response.content.splitlines()[-1]
    EXIT_RECORD.validate(json.loads(last))


@schemathesis.check
def hosts_take_what_is_described(_: CheckContext, response: Response, case: Case[Any]) -> None:
    """The host itself refuses nothing that the description allows."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code < 400:
        return
    problem: dict[str, Any] = response.json() if b"urn:command-abi" in response.content else {}
    reason = str(problem.get("type")).rpartition(":")[2]
    assert reason not in REFUSALS, problem
