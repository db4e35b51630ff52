"""Scripts that run on a node: Python 3.8 or later, its standard library, and nothing of this package."""
