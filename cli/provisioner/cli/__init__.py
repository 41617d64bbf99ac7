"""The command line of `provisioner`: its definition and its progress."""
