"""Route tables as OpenAPI: what generators of clients, and tools that try an API, read."""
