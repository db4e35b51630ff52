from rollout.app.gunicorn import post_worker_init  # noqa: F401 (gunicorn calls it: a worker is ready)

bind = "0.0.0.0:8000"
workers = 2
worker_class = "gthread"
threads = 16
pidfile = "/run/shop/shop.pid"
graceful_timeout = 30
# Longer than HAProxy keeps an idle connection, so that it never writes to one that is being closed.
keepalive = 60
