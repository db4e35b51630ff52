"""Hosts over SSH, by fabric: one connection for each target, opened once and shared by all."""

import logging

from rollout.adapters.ssh.host import SshHost
from rollout.adapters.ssh.pool import SshPool

__all__ = ["SshHost", "SshPool"]

# paramiko logs, with tracebacks, errors that it raises as well, and that are told from there in better words.
_paramiko = logging.getLogger("paramiko")
_paramiko.addHandler(logging.NullHandler())
_paramiko.propagate = False
