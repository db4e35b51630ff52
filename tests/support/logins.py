"""Two logins of one machine, `ann` and `bob`, who are in one group and share nothing else.

The machine's accounts, `/var/lib` and `/var/tmp` are the test's own, for whatever runs in it. Each login's
process has process numbers of its own, as in a container, so both may have the same; the host's name is the
same anyway. Needs root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.users import need_root

GROUP = 7000
NAMES = {"ann": 7001, "bob": 7002}

_OWN = ("/etc/passwd", "/etc/group", "/var/lib", "/var/tmp")
_ENTER = f"""\
world=$1; shift
for path in {" ".join(_OWN)}; do mount --bind "$world$path" "$path" || exit; done
mount --bind "$ROLLOUT_TEST_PYTHON" "$world/python" && mount --bind "$ROLLOUT_TEST_CODE" "$world/code" &&
  mount --bind "$ROLLOUT_TEST_PACKAGES" "$world/packages" || exit
unset ROLLOUT_TEST_PYTHON ROLLOUT_TEST_CODE ROLLOUT_TEST_PACKAGES; cd "$world" || exit
exec "$@"
"""
"""What makes the machine. Python and the code may lie where only root gets."""


class Logins:
    """The machine in the folder `folder`, which every login can reach."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def root(self, *words: str | Path, namespaces: tuple[str, ...] = ()) -> list[str]:
        """Words that run `words` in the machine as root."""
        where = [
            f"ROLLOUT_TEST_PYTHON={sys.base_prefix}",
            f"ROLLOUT_TEST_CODE={Path(__file__).parents[2]}",
            f"ROLLOUT_TEST_PACKAGES={sysconfig.get_path('purelib')}",
        ]
        unshare = ["unshare", "--mount", "--propagation=private", *namespaces]
        return ["env", *where, *unshare, "sh", "-c", _ENTER, "sh", str(self.folder), *map(str, words)]

    def python(self, name: str) -> list[str]:
        """The words that run Python as a login, with process numbers of its own. It ends with them."""
        program = self.folder / "python" / "bin" / Path(sys.executable).resolve().name
        become = ["setpriv", f"--reuid={name}", f"--regid={GROUP}", "--init-groups", "--pdeathsig=KILL"]
        environment = [
            *("env", f"HOME={self.home(name)}", "PYTHONDONTWRITEBYTECODE=1"),
            f"PYTHONPATH={self.folder}/code:{self.folder}/packages",
            f"LD_LIBRARY_PATH={self.folder}/python/lib",
        ]
        own = ("--pid", "--fork", "--mount-proc")
        return self.root(*become, *environment, program, "-P", namespaces=own)

    def home(self, name: str) -> Path:
        return self.folder / "home" / name


@contextmanager
def logins() -> Iterator[Logins]:
    need_root()
    folder = Path(tempfile.mkdtemp(prefix="rollout-"))
    folder.chmod(0o755)
    try:
        for name in ("python", "code", "packages", "etc", "var/lib", "var/tmp", "home"):
            (folder / name).mkdir(parents=True)
        (folder / "var/tmp").chmod(0o1777)
        accounts = [f"{name}:*:{uid}:{GROUP}::{folder}/home/{name}:/bin/sh\n" for name, uid in NAMES.items()]
        (folder / "etc/passwd").write_text(Path("/etc/passwd").read_text() + "".join(accounts))
        group = f"deploy:x:{GROUP}:{','.join(NAMES)}\n"
        (folder / "etc/group").write_text(Path("/etc/group").read_text() + group)
        for name, uid in NAMES.items():
            (folder / "home" / name).mkdir(mode=0o700)
            os.chown(folder / "home" / name, uid, GROUP)
        yield Logins(folder)
    finally:
        shutil.rmtree(folder)


def run(words: list[str]) -> None:
    """Run words that must succeed."""
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL)
