"""What is done to one node, step after step."""
