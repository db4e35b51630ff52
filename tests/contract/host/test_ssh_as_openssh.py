"""Whatever ssh_config says, rollout does what `ssh` does, or says why not: user, place, key, jump host."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.ssh_cases import GROUPS
from tests.support.ssh_lab import inside
from tests.support.users import need_root


@pytest.mark.linux
@pytest.mark.parametrize("group", GROUPS)
def test_same_as_ssh(tmp_path: Path, group: str) -> None:
    """Both run one command on a real sshd by each configuration, and it sees no difference."""
    need_root()
    lab = tmp_path / "lab"
    words = inside(lab, sys.executable, "-m", "tests.support.ssh_tries", str(lab), group)
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, timeout=170, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line[0] for line in lines] == [case.name for case in GROUPS[group]]
    different = [line for line in lines if not _is_right(*line[1:])]
    assert not different, "\n".join(map(str, different))


def _is_right(expected: object, seen: dict[str, object]) -> bool:
    """Whether rollout saw what `ssh` saw, or complained as it should."""
    if isinstance(expected, str):
        return not seen["done"] and re.search(expected, str(seen["said"]), re.IGNORECASE) is not None
    return bool(seen["done"]) and expected == seen
