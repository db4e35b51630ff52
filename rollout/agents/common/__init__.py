"""What several agents use on a node."""
