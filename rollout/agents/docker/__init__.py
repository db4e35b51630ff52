"""The agent that gives a container another image."""
