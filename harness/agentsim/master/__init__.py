"""A simulated Mesos master: the agents it knows, and the calls of an operator.

What decides is plain functions of a `state.State` that return messages to be sent:
`registration.py` (agents come and go), `health_checks.py` (pings), `draining.py` (drain,
deactivate, reactivate), `operator_calls.py` and `endpoints.py` (who asks for what), `listings.py`
(what they see). They do no I/O and are given the time. `host.py` puts sockets and the clock around
them, `election.py` ZooKeeper.
"""
