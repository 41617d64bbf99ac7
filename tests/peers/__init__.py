"""Programs of other people's that run a command for a request, put under test by the suite.

`gateway` turns a request as such a program hands it on into the command line of a probe table;
`kinds` starts the programs, `applying` knows which clauses are theirs to keep; `page` writes
docs/peers.md. As a pytest plugin, `tests.peers` makes the kinds known:
`-p tests.peers --abi-host=lighttpd`.
"""

from tests.peers.applying import pytest_collection_modifyitems
from tests.peers.kinds import Lighttpd, Webhook

__all__ = ["Lighttpd", "Webhook", "pytest_collection_modifyitems"]
