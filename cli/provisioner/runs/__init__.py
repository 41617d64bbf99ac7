"""What provisioner remembers of the runs that changed the host."""
