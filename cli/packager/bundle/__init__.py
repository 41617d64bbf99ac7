"""What is special to these commands as a package of packager's own (`nox -s bundle`)."""
