"""Files that people hand to agentsim or get of it: credentials, recordings."""
