"""kazoo, as this program uses it: silent, and never waited for without end."""

from __future__ import annotations

import logging

from packager.base.optional_libraries import required_library

with required_library("zk://", extra="rollout"):
    from kazoo import exceptions as zookeeper
    from kazoo.client import KazooClient, KazooState
    from kazoo.exceptions import KazooException
    from kazoo.handlers.threading import KazooTimeoutError
    from kazoo.security import CREATOR_ALL_ACL

__all__ = ["NO_ANSWER", "KazooClient", "KazooException", "KazooState", "client", "zookeeper"]

# What is raised when no server answers.
NO_ANSWER = (
    zookeeper.ConnectionLoss,
    zookeeper.SessionExpiredError,
    zookeeper.OperationTimeoutError,
    zookeeper.ConnectionClosedError,
    KazooTimeoutError,
)


def client(
    hosts: str, *, session_seconds: float, credentials: tuple[str, str] | None = None
) -> KazooClient:
    """A client that is not started yet. credentials: user and password of the scheme digest; what
    it makes is then theirs alone."""
    # kazoo would tell standard error of every interruption; callers hear of them as errors.
    logger = logging.getLogger("rollout.zookeeper")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return KazooClient(
        hosts,
        timeout=session_seconds,
        auth_data=[("digest", ":".join(credentials))] if credentials else [],
        default_acl=CREATOR_ALL_ACL if credentials else None,
        logger=logger,
    )
