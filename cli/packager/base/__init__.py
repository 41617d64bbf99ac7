"""What every other room may use: errors, events, durable files, signals, processes."""
