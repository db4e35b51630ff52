"""A Podman that answers to `docker`, as with podman-docker, or at DOCKER_HOST."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rollout.agents.common.talk import Failed
from rollout.agents.docker.api import reach

VERSION = '{"Components": [{"Name": "Podman Engine", "Version": "4.3.1"}], "Version": "4.3.1"}'
ANSWERS = f"""\
#!{sys.executable}
import sys
while sys.stdin.buffer.readline().strip():
    pass
body = {VERSION!r}
sys.stdout.write("HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(body), body))
"""
SILENT = """\
#!/bin/sh
echo 'Error: unable to connect to Podman socket: connect: no such file or directory' >&2
exit 125
"""


@pytest.mark.parametrize(
    ("name", "script", "told"),
    [
        ("docker", ANSWERS, "what `docker` reaches here is Podman"),
        ("docker", SILENT, "`docker` here is Podman"),
        ("podman", SILENT, "what this machine has is Podman"),
    ],
)
def test_podman_is_refused_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, script: str, told: str
) -> None:
    """With what to use instead, and not by what first fails there."""
    (tmp_path / name).write_text(script)
    (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        Failed, match=f"^{told}, which restart.docker does not support: .*use restart.systemd"
    ):
        reach()
