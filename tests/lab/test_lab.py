import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from lab_support import StartLab, get, nothing_left, restart, serves, statuses

from rollout.errors import Refused, RolloutError, UsageError
from rollout.inventory import load
from rollout.lab import processes
from rollout.lab.lab import Lab, down
from tests.support.until import wait


def test_a_lab_serves_when_it_is_up_and_nothing_is_left_when_it_is_down(start_lab: StartLab) -> None:
    """Every server is up everywhere, the inventory loads; then no process, file or listener is there."""
    lab = start_lab(nodes=3, load_balancers=2)
    inventory = load(lab.inventory, {})

    assert [statuses(one) for one in lab.load_balancers] == 2 * [
        {f"{backend}/web{number}": "UP" for backend in ("api", "shop") for number in (1, 2, 3)}
    ]
    assert [get(one, path)[0] for one in lab.load_balancers for path in ("/", "/api/")] == 4 * [200]
    assert {name: node.host for name, node in inventory.nodes.items()} == {
        node.name: node.host for node in lab.nodes
    }
    assert list(inventory.load_balancers) == ["lb1", "lb2"]

    home, machines = lab.home, lab.machines
    lab.down()

    assert nothing_left(lab.directory)
    assert home == lab.directory or not home.parent.exists()
    for machine in machines:
        for port in (machine.port, lab.addresses.ssh):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((machine.host, port), timeout=5).close()


def test_a_node_is_restarted_over_ssh_with_its_host_key_checked(start_lab: StartLab) -> None:
    """OpenSSH logs in with the lab's key and known_hosts; the channel closes; the new release serves."""
    lab = start_lab(nodes=1)
    node = lab.nodes[0]
    keys = lab.home / "ssh"
    login = ["ssh", "-F", "none", "-i", str(keys / "id_ed25519"), "-p", str(lab.addresses.ssh)]
    for option in ("IdentitiesOnly=yes", "StrictHostKeyChecking=yes", "BatchMode=yes"):
        login += ["-o", option]
    login += ["-o", f"UserKnownHostsFile={keys / 'known_hosts'}", node.host]

    line = f"export ROLLOUT_RELEASE=2; sh {node.folder}/release && sh {node.folder}/restart && echo restarted"
    done = subprocess.run([*login, line], capture_output=True, text=True, timeout=30)

    assert (done.returncode, done.stdout) == (0, "restarted\n"), done.stderr
    wait(lambda: serves(node, "2"), "release 2")


def answer_during_restart(lab: Lab) -> object:
    """What a request gets that takes 1.5 s, when the application is restarted in the middle of it."""
    node = lab.nodes[0]
    old = int((node.folder / "app.pid").read_text())
    answers: list[object] = []

    def ask() -> None:
        try:
            answers.append(get(node, "/slow?seconds=1.5"))
        except (OSError, http.client.HTTPException) as error:
            answers.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.3)  # nothing tells from outside that the request has reached the application
    restart(node, "2")
    assert old not in {process.pid for process in processes.marked(lab.mark)}
    thread.join()
    wait(lambda: serves(node, "2"), "release 2")
    return answers.pop()


def test_a_restart_lets_running_requests_finish(start_lab: StartLab) -> None:
    """The old application answers what it has begun; when the script returns it is gone."""
    assert answer_during_restart(start_lab(nodes=1)) == (200, "shop 1 web1\n")


def test_a_harsh_restart_cuts_running_requests(start_lab: StartLab) -> None:
    """With `kill` the application dies in the middle of a request, so that there is something to lose."""
    answer = answer_during_restart(start_lab(nodes=1, kill=True))

    assert isinstance(answer, ConnectionError)


def test_a_starting_application_refuses_connections(start_lab: StartLab) -> None:
    """Until it can serve, nothing listens: no connection is accepted and left waiting."""
    node = start_lab(nodes=1, start=3.0).nodes[0]
    restart(node, "2")

    def answers() -> bool:
        try:
            return get(node, "/", timeout=1.5)[0] == 200
        except ConnectionRefusedError:
            return False

    assert not answers()
    wait(answers, "an answer")


def test_the_health_page_drains_a_node(start_lab: StartLab) -> None:
    """While the inventory's file exists, HAProxy has the node at NOLB, and it still names its release."""
    lab = start_lab(drain="health-page")
    node, other = lab.nodes
    page = load(lab.inventory, {}).drain.health_page
    assert page is not None
    assert page.file == str(node.draining).replace("web1", "{node}")

    node.draining.touch()

    assert get(node, "/_status") == (404, '{"status": "draining", "release": "1"}\n')
    wait(lambda: statuses(lab.load_balancers[0])["shop/web1"] == "NOLB", "NOLB")
    assert {get(lab.load_balancers[0], "/")[1] for _ in range(4)} == {f"shop 1 {other.name}\n"}
    node.draining.unlink()
    wait(lambda: statuses(lab.load_balancers[0])["shop/web1"] == "UP", "UP")


def test_haproxy_can_be_set_up_otherwise(start_lab: StartLab) -> None:
    """Sticky sessions, no redispatch, other checks, more lines for a backend: HAProxy runs with them."""
    lab = start_lab(
        nodes=1,
        sticky=True,
        redispatch=False,
        retries=0,
        inter="200ms",
        rise=5,
        fall=1,
        backend_lines=("http-response set-header X-Lab yes",),
    )
    connection = http.client.HTTPConnection(lab.load_balancers[0].host, lab.load_balancers[0].port, timeout=5)
    connection.request("GET", "/")
    answer = connection.getresponse()
    connection.close()

    assert answer.headers["X-Lab"] == "yes"
    assert answer.headers["Set-Cookie"].startswith("SHOP=web1")
    text = (lab.load_balancers[0].folder / "haproxy.cfg").read_text()
    assert "default-server inter 200ms rise 5 fall 1\n" in text
    assert "  retries 0\n  no option redispatch\n" in text


def test_a_second_lab_in_the_folder_is_refused(start_lab: StartLab) -> None:
    """The first goes on, and the refusal names the command that ends it."""
    lab = start_lab(nodes=1)

    with pytest.raises(Refused) as refusal:
        Lab.up(lab.directory, nodes=1)

    assert refusal.value.hint == f"rollout lab down --directory {lab.directory}"
    assert serves(lab.nodes[0], "1")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"haproxy": "/bin/false"}, "lb1: HAProxy did not start"),
        ({"backend_lines": ("balance nonsense",)}, "balance only supports"),
        ({"inter": "soon"}, "unexpected character 's'"),
    ],
)
def test_a_lab_that_does_not_start_leaves_nothing(
    tmp_path: Path, setting: dict[str, object], said: str
) -> None:
    """HAProxy's own words are in the error; sshd and applications that had started are gone."""
    with pytest.raises(RolloutError, match=said):
        Lab.up(tmp_path / "lab", nodes=1, start=0.0, **setting)

    assert nothing_left(tmp_path / "lab")


def test_a_missing_program_is_named_with_its_package(tmp_path: Path) -> None:
    """Nothing is made on the way to that answer."""
    with pytest.raises(UsageError, match="needs no-such-haproxy, ") as mistake:
        Lab.up(tmp_path / "lab", haproxy="no-such-haproxy")

    assert mistake.value.hint == "sudo apt-get install haproxy"
    assert not (tmp_path / "lab").exists()


def test_a_folder_with_something_in_it_is_refused_and_untouched(tmp_path: Path) -> None:
    """Neither `up` nor `down` takes a folder that is no lab's, or a file."""
    (tmp_path / "precious").touch()

    with pytest.raises(UsageError, match="not empty"):
        Lab.up(tmp_path)
    with pytest.raises(UsageError, match="cannot hold a lab"):
        Lab.up(tmp_path / "precious")
    with pytest.raises(UsageError, match="No lab is up"):
        Lab.load(tmp_path)
    assert not down(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_a_lab_whose_folder_was_deleted_is_ended_all_the_same(tmp_path: Path) -> None:
    """`down` knows the processes by their mark, and the link to a long path by its name."""
    directory = tmp_path / ("long" * 20)
    lab = Lab.up(directory, nodes=1, start=0.0)
    try:
        shutil.rmtree(directory)

        assert len(processes.marked(lab.mark)) >= 5
        assert down(directory)
        assert nothing_left(directory)
        assert not lab.home.parent.exists()
        assert not down(directory)
    finally:
        down(directory)


def test_a_lab_whose_start_was_killed_is_ended_all_the_same(tmp_path: Path) -> None:
    """`up` itself dies in the middle and cleans up nothing; `down` finds what it had started."""
    directory = tmp_path / "lab"
    command = [sys.executable, "-m", "rollout", "lab", "up", "--start", "60s", "--directory", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            wait(lambda: len(processes.marked(processes.mark_of(directory))) >= 5, "its processes")
            process.kill()
            process.wait()
            assert down(directory)
            assert nothing_left(directory)
        finally:
            process.kill()
            down(directory)


def test_processes_that_ignore_the_request_to_end_are_killed(tmp_path: Path) -> None:
    """TERM first, KILL after the patience; another folder's processes live on."""
    program = "import signal as s, time; s.signal(s.SIGTERM, s.SIG_IGN); print(flush=True); time.sleep(60)"
    started = []
    try:
        for name in ("lab", "other"):
            environment = os.environ | {processes.MARK: processes.mark_of(tmp_path / name)}
            command = [sys.executable, "-c", program]
            started.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE))
        for process in started:
            assert process.stdout is not None
            process.stdout.readline()

        assert processes.end(processes.mark_of(tmp_path / "lab"), patience=0.2)

        stubborn, other = started
        assert stubborn.wait(5) == -signal.SIGKILL
        assert other.poll() is None
    finally:
        for process in started:
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()


def test_a_long_and_odd_path_is_no_obstacle(tmp_path: Path) -> None:
    """Spaces, quotes, dollar and percent signs, and a path too long for a UNIX socket."""
    directory = tmp_path / "a 100% \"$odd\" 'place'" / ("deep" * 25)
    lab = Lab.up(directory, nodes=1, start=0.0)
    try:
        assert " " not in str(lab.home)
        assert Lab.load(directory) == lab
        assert statuses(lab.load_balancers[0]) == {"shop/web1": "UP", "api/web1": "UP"}
        restart(lab.nodes[0], "2")
        wait(lambda: serves(lab.nodes[0], "2"), "release 2")
    finally:
        lab.down()
    assert nothing_left(directory)
    assert not lab.home.parent.exists()
