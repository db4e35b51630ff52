"""Settings of gunicorn on the lab's nodes. In a file, unlike in options, unknown settings are ignored."""

import os
from pathlib import Path

bind = [os.environ["ADDRESS"]]
workers = int(os.environ["WORKERS"])
worker_class = "gthread"
threads = 32
# The application is loaded before the port is bound: until it can serve, connections are refused.
preload_app = True
graceful_timeout = 30
# Longer than HAProxy keeps an idle connection, so that it never writes to one that is being closed.
keepalive = 60
pythonpath = str(Path(__file__).parent.parent.parent)
control_socket_disable = True
