"""The agents that receive, keep and switch releases on disk."""
