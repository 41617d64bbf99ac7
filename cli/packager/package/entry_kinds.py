"""The kinds of what a package's tree is made of, as manifests, archives and walks name them."""

FILE, DIRECTORY, LINK = "file", "directory", "link"
