"""The same deployment by Ansible, installed for the benchmarks alone and tuned."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.measuring import Run, run
from rollout.lab import sshd
from rollout.lab.lab import Lab

_HERE = Path(__file__).parent
_PLAYBOOK = _HERE / "playbook.yml"
_HOME = _HERE.parent / ".cache" / "ansible"


def install() -> None:
    """Ansible and its collections, from PyPI, unless they are there."""
    installed = _HOME / ".installed"
    if not installed.exists():
        print(f"installing Ansible into {_HOME}", flush=True)
        venv.create(_HOME, with_pip=True, clear=True)
        pip = f"{_HOME}/bin/pip"
        subprocess.run([pip, "install", "--quiet", "--no-compile", "ansible"], check=True)
        installed.touch()


class Ansible:
    """Deploys to the nodes of a lab, `window` at a time."""

    def __init__(self, lab: Lab, window: int) -> None:
        self._window = window
        folder = lab.home / "ansible"
        folder.mkdir()
        self._sockets = folder / "ssh"
        self._inventory = folder / "hosts.json"
        self._inventory.write_text(json.dumps(_hosts(lab)))
        self._environment = os.environ | {
            "ANSIBLE_CONFIG": str(_HERE / "ansible.cfg"),
            "ANSIBLE_HOME": str(folder),
            "ANSIBLE_REMOTE_TMP": str(folder / "remote"),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self._sockets),
        }

    def deploy(self, release: str) -> Run:
        """The whole process, from no connection on, as with rollout."""
        variables = json.dumps({"release": release, "window": self._window})
        program = _HOME / "bin" / "ansible-playbook"
        try:
            return run([program, _PLAYBOOK, "-i", self._inventory, "-e", variables], self._environment)
        finally:
            for socket in self._sockets.glob("*"):
                end = ["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "ignored"]
                subprocess.run(end, capture_output=True)


def _hosts(lab: Lab) -> object:
    balancer = lab.load_balancers[0]
    nodes = {
        node.name: {"ansible_host": node.host, "folder": str(node.folder), "health": f"{node.url}/_status"}
        for node in lab.nodes
    }
    variables = {
        "ansible_user": sshd.user(),
        "ansible_port": lab.addresses.ssh,
        "ansible_ssh_private_key_file": f"{lab.home}/ssh/id_ed25519",
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={lab.home}/ssh/known_hosts",
        "ansible_python_interpreter": sys.executable,
        "load_balancer": balancer.name,
        "socket": str(balancer.socket()),
    }
    groups = {
        "nodes": {"hosts": nodes},
        "load_balancers": {"hosts": {balancer.name: {"ansible_host": balancer.host}}},
    }
    return {"all": {"vars": variables, "children": groups}}
