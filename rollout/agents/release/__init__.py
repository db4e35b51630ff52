"""The agents that receive, keep and switch releases on a node's disk."""
