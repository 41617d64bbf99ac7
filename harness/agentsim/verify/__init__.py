"""The other side of the contract: does a command owe nothing to the hosts that run it?

`agentsim verify-command TABLE` runs the command of a route table by its command line, without any
host, as a host would and as badly as a host's surroundings can be, and holds it to the clauses
ABI-CMD of `docs/abi.md`.

`samples.py` makes up the requests, `runner.py` runs them, `checks.py` judges, `command.py` tells.
"""
