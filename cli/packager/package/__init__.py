"""What a package is: its id, its version, its pkginfo.json, its manifest, what it declares."""
