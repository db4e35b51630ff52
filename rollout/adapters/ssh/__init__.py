"""Hosts over SSH, by fabric: one connection for each target, opened once and shared by all."""

import logging

from rollout.adapters.ssh.host import SshHost
from rollout.adapters.ssh.pool import SshPool

__all__ = ["SshHost", "SshPool"]

# paramiko also logs the errors that it raises, and with tracebacks. The adapters report them in better words.
_paramiko = logging.getLogger("paramiko")
_paramiko.addHandler(logging.NullHandler())
_paramiko.propagate = False
