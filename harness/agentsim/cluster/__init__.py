"""`agentsim cluster`: many simulated agents in one process, members of one cluster.

`patterns.py` says what each agent is called and has, `listener.py` gives each its own address on
one socket, `member_agents.py` makes them, `run.py` runs them.
"""
