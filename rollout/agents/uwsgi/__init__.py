"""The agent that restarts a uWSGI."""
