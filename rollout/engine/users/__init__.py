"""The users of a service while nodes are rolled: the answers they get, and how these are judged."""
