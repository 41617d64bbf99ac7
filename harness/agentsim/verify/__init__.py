"""The other side of the contract: does a command owe nothing to the hosts that run it?

`agentsim verify-command TABLE` runs the command of a route table by its command line, without any
host, as a host would and as badly as a host's surroundings can be, and holds it to the clauses
ABI-CMD of `docs/abi.md`.

`sample_values.py` makes up the requests, `command_runner.py` runs them, `clause_checks.py` and
`output_checks.py` judge, `cli.py` tells.
"""
