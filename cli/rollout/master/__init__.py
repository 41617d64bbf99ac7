"""The client of the Mesos master: who leads, which agents there are, three calls."""
