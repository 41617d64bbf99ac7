"""The simulated agent and the suite that proves any host keeps the command ABI."""

__version__ = "0.1.0"
