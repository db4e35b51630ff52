"""The agent that restarts a gunicorn."""
