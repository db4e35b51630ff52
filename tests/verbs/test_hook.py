"""`rollout hook`: a file for the application, which needs nothing of rollout."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from cli_support import Shell


def test_the_hook_stands_alone(shell: Shell, tmp_path: Path) -> None:
    """It is a file for Python 3.8 that is imported without rollout, and says by which line."""
    ran = shell.run("hook", "gunicorn")
    assert (ran.code, ran.error) == (0, "")
    ast.parse(ran.out, feature_version=(3, 8))
    assert "from rollout_hook import post_worker_init" in ran.out
    assert "rollout.app" not in ran.out
    (tmp_path / "rollout_hook.py").write_text(ran.out)
    line = "import sys; sys.path.append('.'); import rollout_hook as it; print(it.post_worker_init.page)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "/_status\n"
