"""`rollout hook`: print a hook for the application's own server, to put beside its configuration."""

from __future__ import annotations

import argparse
import inspect
import sys
from types import ModuleType

from rollout.app import gunicorn

_HOOKS: dict[str, ModuleType] = {"gunicorn": gunicorn}
_FILE = "rollout_hook"


def run(arguments: argparse.Namespace) -> int:
    hook = _HOOKS[arguments.server]
    text = inspect.getsource(hook).replace(f"from {hook.__name__} import", f"from {_FILE} import")
    sys.stdout.write(f"# Written by `rollout hook {arguments.server}`.\n{text}")
    return 0
