"""The agent that restarts a Celery worker."""
