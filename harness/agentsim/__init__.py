"""The simulated agent and the suite that proves any host keeps the command ABI."""
