"""The agents that restart a Celery worker."""
