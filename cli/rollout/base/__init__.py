"""What every other room but the core may use."""
