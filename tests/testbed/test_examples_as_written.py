"""The example inventories, not a word of which is changed: the machines are as they say."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import tarfile

import pytest
from example_site import ExampleSite
from testbed import ROOT, Testbed
from users import Users

pytestmark = pytest.mark.timeout(300, func_only=True)  # the first may have to wait for images

ON_GIT = """
install -o deploy -d /srv/shop.git
cat >/tmp/clone <<'END'
cd /srv/shop
rm current
mkdir current
git init -q
git config user.name lab
git config user.email lab@example.com
printf 'releases/\\nvenv/\\n__pycache__/\\n' >.gitignore
for release in 1 2; do
    echo $release >current/VERSION
    git add .
    git commit -qm $release
    git tag $release
done
git clone -q --bare . /srv/shop.git
git remote add origin /srv/shop.git
git checkout -q 1
END
runuser -u deploy sh -- -e /tmp/clone
"""
"""A node's /srv/shop is a clone, whose releases are tags."""
PACKAGES = """
systemctl stop shop
rm /srv/shop/current
mkdir /srv/apt
cd /srv/apt
for release in 1 2; do
    mkdir -p $release/DEBIAN $release/srv/shop/current
    echo $release >$release/srv/shop/current/VERSION
    printf '%s\\n' 'Package: shop' "Version: $release" 'Architecture: all' 'Description: the shop' \\
        'Maintainer: lab <lab@example.com>' >$release/DEBIAN/control
    dpkg-deb --build $release shop_$release.deb >/dev/null
    cat $release/DEBIAN/control
    printf '%s\\n' "Filename: ./shop_$release.deb" "Size: $(stat -c %s shop_$release.deb)" \\
        "SHA256: $(sha256sum shop_$release.deb | cut -d' ' -f1)" ''
done >Packages
echo 'deb [trusted=yes] file:/srv/apt ./' >/etc/apt/sources.list
rm -f /etc/apt/sources.list.d/*
apt-get -qq update
apt-get -qq install shop=1 >/dev/null
systemctl start shop
"""
"""A repository with two releases of the package, of which the first is installed."""
MAILS = """
[program:mails]
command=sh -c 'cp /srv/shop/current/VERSION /tmp/mails.%(process_num)d; exec sleep infinity'
process_name=%(program_name)s_%(process_num)d
numprocs=3
user=deploy
"""
"""Of supervisor: three processes, each of which shows the release that it is of."""
WORDS = """
import lmdb, sys
with lmdb.open(sys.argv[1], subdir=False, lock=False) as words, words.begin(write=True) as change:
    change.put(b"word", sys.argv[2].encode())
"""
DAEMON = """{
  "bridge": "none", "iptables": false, "ip-forward": false, "storage-driver": "vfs",
  "insecure-registries": ["registry.example.com"], "exec-opts": ["native.cgroupdriver=cgroupfs"]
}"""
"""Of a Docker daemon in a container, which asks a registry without TLS."""
IMAGES = """
mkdir -p /tmp/image/bin /tmp/image/www && cp /bin/busybox /tmp/image/bin/
for release in 1 2; do
    image=registry.example.com/shop:$release
    echo "shop $release" >/tmp/image/www/index.html
    echo "{\\"release\\": \\"$release\\"}" >/tmp/image/www/_status
    tar -C /tmp/image -c . | docker import \\
        -c 'CMD ["/bin/busybox", "httpd", "-f", "-p", "8000", "-h", "/www"]' - $image
    docker push -q $image && docker image rm $image
done
"""
"""Two releases for the registry, of an application that is two files."""
SERVES = "curl -fs localhost:8000/_status"


def written(name: str) -> str:
    return (ROOT / "inventories" / f"{name}.yml").read_text()


def in_markdown(file: str, begin: str) -> str:
    """The first block of YAML in a file that begins so."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", (ROOT / file).read_text(), re.MULTILINE | re.DOTALL)
    return next(block for block in blocks if block.startswith(begin))


def deployed(site: ExampleSite, release: str = "2") -> None:
    """All nodes of the inventory get the release, and `status` says so."""
    done = site.rollout("deploy", "--release", release)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(site.rollout("status", "--output", "json").stdout)
    assert told["deployment"]["state"] == "done", told
    asked = "release" in site.inventory.get("health", {})
    known = ("ready", release) if asked else ("unknown", None)
    assert {(node["state"], node["release"]) for node in told["nodes"]} == {known}, told


def users_of(site: ExampleSite, nodes: list[str], target: str = "/") -> Users:
    """Of the nodes themselves: there is no load balancer."""
    return Users([(site.address(name), 8000) for name in nodes], target)


def deployed_to(users: Users, site: ExampleSite) -> None:
    """Nothing is lost meanwhile, the old release has answered, and the last answers are of the new one."""
    with users:
        deployed(site)
    assert users.turned == users.lost == []
    words = [set(re.findall(r"\w+", answer.body)) for answer in users.answers]
    assert any("1" in answer for answer in words)
    assert all("2" in answer for answer in words[-10:])


def test_gunicorn(site: ExampleSite) -> None:
    """Worker by worker: every request is answered, and by the end all of them by the new release."""
    nodes = site.use(written("gunicorn"), ROLE="shop")
    deployed_to(users_of(site, nodes), site)


def test_uwsgi(site: ExampleSite) -> None:
    """Reforked, with the settings that the example gives uWSGI."""
    text = written("uwsgi")
    ini, mode = [], "refork"
    for line in text.partition("# /etc/uwsgi/shop.ini:")[2].splitlines():
        setting = line.removeprefix("#").strip()
        if setting.startswith("# mode: "):
            mode = re.split(r"\W+", setting)[2]
        elif mode == "refork" and not setting.startswith("#"):
            ini.append(setting)
    nodes = site.use(text)
    for node in nodes:
        site.on(
            node, ON_GIT + "install -o deploy -d /run/shop && install -o deploy /dev/null /var/log/shop.log"
        )
        site.write(node, "/etc/uwsgi/shop.ini", "\n".join(ini))
        site.begin(node, f"env NODE={node} uwsgi --plugin python3 --ini /etc/uwsgi/shop.ini")
        site.until(node, SERVES)
    deployed_to(users_of(site, nodes), site)


def test_signal(site: ExampleSite) -> None:
    """A gunicorn that loads its application at once heeds HUP, as the example's service does."""
    nodes = site.use(written("signal"))
    for node in nodes:
        site.on(node, ON_GIT + "install -d -o deploy /run/shop")
        gunicorn = (
            "gunicorn -c /srv/shop/gunicorn.conf.py --chdir /srv/shop --pid /run/shop.pid --user deploy"
        )
        site.begin(node, f"env NODE={node} START=0 {gunicorn} shop.wsgi", user="root")
        site.until(node, SERVES)
    deployed_to(users_of(site, nodes), site)


def test_a_held_socket(site: ExampleSite) -> None:
    """The inventory of its page, with the example's own program."""
    nodes = site.use(in_markdown("docs/held-socket.md", "service: shop"))
    for node in nodes:
        site.on(
            node, "for file in /run/shop.pid /srv/shop/release; do install -o deploy /dev/null $file; done"
        )
        site.write(node, "/srv/shop/release", "1")
        site.begin(node, "python3 /examples/held_socket.py 0.0.0.0:8000 /run/shop.pid /srv/shop/release")
        site.until(node, SERVES)
    deployed_to(users_of(site, nodes), site)


def test_data(site: ExampleSite) -> None:
    """A dictionary is sent, and opened without a restart by the example's own program."""
    nodes = site.use(written("data"))
    (site.folder / "dist").mkdir()
    subprocess.run([sys.executable, "-c", WORDS, site.folder / "dist" / "words.lmdb", "new"], check=True)
    for node in nodes:
        site.on(
            node,
            f"mkdir -p /srv/shop/data/releases/1 && cd /srv/shop/data && ln -s releases/1 current"
            f" && python3 -c '{WORDS}' current/words.lmdb old && chown -R deploy: ."
            " && install -o deploy /dev/null /run/shop.pid",
        )
        site.begin(node, "python3 /examples/words/server.py /srv/shop/data 0.0.0.0 8000 /run/shop.pid")
        site.until(node, SERVES)
    deployed_to(users_of(site, nodes, "/_status"), site)
    assert {site.on(node, "curl -fs localhost:8000/word") for node in nodes} == {"new"}


def test_an_archive(site: ExampleSite) -> None:
    """Sent, unpacked, made ready on the node, switched to, behind a load balancer by that name."""
    files = {
        "VERSION": "2\n",
        "bin/shop": "#!/bin/sh\ncd /srv/shop && exec gunicorn shop.wsgi\n",
        "install-dependencies": "#!/bin/sh\necho installed >dependencies\n",
    }
    nodes = site.use(written("archive"), ROLE="shop")
    (site.folder / "build").mkdir()
    with tarfile.open(site.folder / "build" / "shop-2.tar.gz", "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(text), 0o755
            archive.addfile(member, io.BytesIO(text.encode()))
    for node in nodes:
        site.on(
            node,
            "cd /srv/shop/current && mkdir bin && cp ../../bin/serve bin/shop && chown -R deploy: bin"
            " && sed -i 's#/srv/shop/bin/serve#/srv/shop/current/bin/shop#' /etc/systemd/system/shop.service"
            " && systemctl daemon-reload && systemctl restart shop",
        )
    site.balance(nodes)
    deployed_to(Users([(site.address("lb1"), 80)]), site)
    for node in nodes:
        assert site.on(node, "readlink /srv/shop/current").strip() == "releases/2"
        assert site.on(node, "cat /srv/shop/current/dependencies").strip() == "installed"


def test_the_first_inventory_of_the_readme(site: ExampleSite) -> None:
    """A Debian package, downloaded before and installed while each of three nodes is drained."""
    nodes = site.use(in_markdown("README.md", "# rollout.yml"), ROLE="shop")
    for node in nodes:
        site.on(node, PACKAGES)
    site.balance(nodes)
    deployed_to(Users([(site.address("lb1"), 80)]), site)
    for node in nodes:
        assert site.on(node, "dpkg-query -f '${Version}' -W shop") == "2"


def test_a_container(site: ExampleSite, running_lab: Testbed) -> None:
    """The image comes from a registry while the node serves, and its container takes the old one's place."""
    image = running_lab.build("docker-node")
    nodes = site.use(written("docker"), image=image)
    site.register(image)
    for node in nodes:
        site.write(node, "/etc/docker/daemon.json", DAEMON)
        site.on(node, "systemctl start docker")
    site.on(nodes[0], IMAGES)
    for node in nodes:
        site.on(
            node, "docker run -d --name shop --network host --stop-signal KILL registry.example.com/shop:1"
        )
    site.balance(nodes)
    deployed_to(Users([(site.address("lb1"), 80)]), site)
    for node in nodes:
        shown = site.on(node, "docker ps --format '{{.Names}} {{.Image}}'").strip()
        assert shown == "shop registry.example.com/shop:2"


def test_supervisor(site: ExampleSite) -> None:
    """A group of three processes on each of two machines: all are of the new release at the end."""
    nodes = site.use(written("supervisor"))
    for node in nodes:
        site.write(node, "/etc/supervisor/conf.d/mails.conf", MAILS)
        site.on(node, ON_GIT + "systemctl start supervisor")
        site.until(node, "[ $(ls /tmp/mails.* | wc -l) = 3 ]")
    deployed(site)
    for node in nodes:
        assert site.on(node, "cat /tmp/mails.*").split() == ["2", "2", "2"]


def test_processes(site: ExampleSite) -> None:
    """Workers of a ZeroMQ broker, by the example's own programs: every job that is sent meanwhile is done."""
    nodes = site.use(written("processes"))
    broker = "tcp://10.0.0.21"
    site.begin(nodes[0], f"python3 /examples/zeromq/broker.py {broker}:4010 {broker}:4011 30")
    for node in nodes:
        site.on(
            node,
            "mkdir -p /srv/words/releases /run/words/beats && touch /var/log/words.log && cd /srv/words"
            " && for release in 1 2; do cp -r /examples/zeromq releases/$release; done"
            " && ln -s releases/1 current && chown -R deploy: /srv/words /run/words /var/log/words.log",
        )
        supervisor = f"/run/words/supervisor.pid /run/words/beats /srv/words/current {broker}:4011 3 60"
        site.begin(
            node, f"sh -c 'exec python3 /examples/zeromq/supervisor.py {supervisor} 2>>/var/log/words.log'"
        )
        site.until(node, "[ $(ls /run/words/beats | wc -l) = 3 ]")
    jobs = f"for job in $(seq 60); do python3 /examples/zeromq/client.py {broker}:4010 $job; done >/tmp/done"
    site.begin(nodes[1], f"sh -c '{jobs}'")
    deployed(site)
    site.until(nodes[1], "[ $(wc -l </tmp/done) = 60 ]")
    assert site.on(nodes[1], "cat /tmp/done").split() == [str(job)[::-1] for job in range(1, 61)]
    for node in nodes:
        assert site.on(node, "pgrep -af releases/2/[w]orker.py | wc -l").strip() == "3"
        assert site.on(node, "pgrep -af releases/1/[w]orker.py | wc -l").strip() == "0"


def test_celery(site: ExampleSite) -> None:
    """Tasks sent meanwhile are all done: by either machine while the other one is restarted."""
    nodes = site.use(written("celery"))
    for node in nodes:
        # The lab's own Celery machines have the same names: these use another database of its Redis.
        site.on(node, "sed -i s#172.29.77.20/0#172.29.77.20/1# /srv/shop/shop/tasks.py")
        site.on(node, "systemctl set-environment ROLE=tasks; systemctl start celery")
    for node in nodes:
        site.until(node, f"cd /srv/shop && python3 -m celery -A shop.tasks inspect ping -d celery@{node}")
    with site.tasks_sent_from(nodes[0]) as workers:
        deployed(site)
    assert workers.issuperset({("1", nodes[1]), ("2", nodes[0])})
    for node in nodes:
        assert site.on(node, "cat /srv/shop/current/VERSION").strip() == "2"
