"""gunicorn's configuration where nothing of rollout is installed: workers report by plain UDP."""

import os
import socket
from pathlib import Path

host, port = os.environ["NOTIFY"].replace("udp://", "").split(":")
bind = os.environ["ADDRESS"]
workers = 3
pidfile = "shop.pid"
control_socket_disable = True


def post_worker_init(worker):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(f"{worker.pid} ready".encode(), (host, int(port)))
    Path("able", str(worker.pid)).touch()
