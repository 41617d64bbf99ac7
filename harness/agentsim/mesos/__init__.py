"""What Mesos agents and masters say to each other, and how an agent belongs to a master.

`messages.proto` describes the messages, `descriptions.py` reads it, `wire_format.py` and
`json_format.py` turn messages into bytes and JSON and back, `actor_message.py` is how libprocess
puts them on a connection. `membership.py` decides what an agent sends, and does no I/O.
"""
