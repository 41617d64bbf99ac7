"""The client of the hosts' routes, which are those of module/routes/provisioner.json."""
