"""Generations: their documents, and the trees of links that are made for them."""
