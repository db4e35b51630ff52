"""How a node leaves rotation and comes back: by HAProxy's socket, by the drain file, or not at all."""
