"""The users of a service while nodes are rolled: what they get, and how it is judged."""
