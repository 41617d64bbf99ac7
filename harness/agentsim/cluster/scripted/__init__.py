"""Commands that no process runs: for thousands of agents, a provisioner that is only its state.

`provisioner.py` is the command as a function of its arguments and what the host has come to;
`invocation.py` stands in the place of a process.
"""
