"""What an apply would do: the activation that packager would make, and the document of a plan."""
