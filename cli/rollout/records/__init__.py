"""What a rollout writes down, and where: SQLite, or ZooKeeper."""
