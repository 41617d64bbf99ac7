"""The simulated agent: libprocess's manners, the command ABI's promises, no Mesos."""
