"""The recipes of docs/recipes.md, each on the real server: the next release, and one that does not load."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.drivers.command.recipes import PORT, Recipe, recipe
from tests.support.needs import missing
from tests.support.users import need_root

ROOT = Path(__file__).parents[3]
SHOP = ROOT / "tests/drivers/supervisor/shop.py"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Recipe]:
    made = Recipe(tmp_path)
    yield made
    made.end()


def need(program: str, package: str) -> str:
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    return found or missing(f"needs the package {package}")


def add_rack(shop: Recipe) -> None:
    for release in ("1", "2"):
        shop.add(release, "config.ru", f"run ->(env) {{ [200, {{}}, ['{release}']] }}\n")
    shop.add("broken", "config.ru", "raise 'no such table: orders'\n")
    shop.switch("1")


def require_rolled(shop: Recipe, restart: dict[str, Any]) -> None:
    """A release is deployed and loses no request; one that does not load is refused, and the node serves."""
    with shop.load() as load:
        done = shop.deploy("2", restart)
        assert done.returncode == 0, done.stdout + done.stderr
        load.until(lambda answer: answer.body == "2", "release 2")
        broken = shop.deploy("broken", restart)
        assert broken.returncode == 1
        assert "release 2 is on the disk again" in broken.stdout, broken.stdout
        assert "left out" not in broken.stdout
    assert (load.bodies[0], load.bodies[-1], load.lost) == ("1", "2", [])


def test_puma(shop: Recipe) -> None:
    """A phased restart replaces each worker; a release that does not load is tried before."""
    puma = need("puma", "puma")
    add_rack(shop)
    (shop.folder / "puma.rb").write_text(
        f"workers 2\nthreads 1, 2\nbind 'tcp://{shop.address}:{PORT}'\n"
        f"directory '{shop.folder}/current'\npidfile '{shop.folder}/run/puma.pid'\n"
        f"stdout_redirect '{shop.folder}/log/puma.log', '{shop.folder}/log/puma.log', true\n"
    )
    shop.start(puma, "-C", f"{shop.folder}/puma.rb")
    require_rolled(shop, recipe("Puma", {"/srv/shop": str(shop.folder)}))


def test_unicorn(shop: Recipe) -> None:
    """A second master takes over; one that cannot load the release ends, and the first one goes on."""
    unicorn = need("unicorn", "unicorn")
    add_rack(shop)
    (shop.folder / "unicorn.rb").write_text(
        f"worker_processes 2\npreload_app true\nlisten '{shop.address}:{PORT}'\n"
        f"working_directory '{shop.folder}/current'\npid '{shop.folder}/run/unicorn.pid'\n"
        f"stderr_path '{shop.folder}/log/unicorn.log'\n"
    )
    shop.pidfiles.append(shop.folder / "run/unicorn.pid")  # that of the second master
    shop.start(unicorn, "-c", f"{shop.folder}/unicorn.rb", f"{shop.folder}/current/config.ru")
    require_rolled(shop, recipe("Unicorn", {"/srv/shop": str(shop.folder)}))


FPM = """\
[global]
pid = {folder}/run/php-fpm.pid
error_log = {folder}/log/php-fpm.log
process_control_timeout = 10s
daemonize = no
[shop]
listen = {folder}/run/php.sock
user = www-data
listen.mode = 0666
pm = static
pm.max_children = 2
php_admin_value[opcache.enable] = 1
php_admin_value[opcache.validate_timestamps] = 0
"""
WEB = """\
defaults
    mode http
    timeout connect 5s
    timeout client 10s
    timeout server 10s
listen web
    bind {address}:{port}
    use-fcgi-app php
    server php unix@{folder}/run/php.sock proto fcgi
fcgi-app php
    docroot {folder}/current
    index index.php
    no option keep-conn
"""


def test_php_fpm(shop: Recipe, haproxy_binary: Path) -> None:
    """The master starts itself anew with its sockets; a configuration that is wrong is found before."""
    need_root()
    found = sorted(Path("/usr/sbin").glob("php-fpm[0-9]*"))
    fpm = str(found[-1]) if found else missing("needs the package php-fpm")
    for release in ("1", "2"):
        shop.add(release, "index.php", f"{release}")
    shop.switch("1")
    (shop.folder / "fpm.conf").write_text(FPM.format(folder=shop.folder))
    (shop.folder / "web.cfg").write_text(WEB.format(folder=shop.folder, address=shop.address, port=PORT))
    for folder in (shop.folder, *shop.folder.parents):
        if folder.owner() == "root" and folder.name.startswith(("pytest-", "popen-", "test_")):
            folder.chmod(0o755)
    shop.start(fpm, "-y", f"{shop.folder}/fpm.conf", listens=shop.folder / "run/php.sock")
    web = shop.folder / "web.cfg"
    shop.start(str(haproxy_binary), "-db", "-f", str(web))
    paths = {
        "php-fpm8.2 -t": f"{fpm} -t",
        "/run/php": f"{shop.folder}/run",
        "/etc/php/8.2/fpm/php-fpm.conf": f"{shop.folder}/fpm.conf",
        "/var/log/php-fpm.log": f"{shop.folder}/log/php-fpm.log",
    }
    restart = recipe("php-fpm", paths)
    with shop.load() as load:
        done = shop.deploy("2", restart)
        assert done.returncode == 0, done.stdout + done.stderr
        load.until(lambda answer: answer.body == "2", "release 2")
    assert (load.bodies, load.lost) == (["1", "2"], [])
    (shop.folder / "fpm.conf").write_text("[global]\nno_such_setting = 1\n")
    refused = shop.deploy("1", restart)
    assert refused.returncode == 3
    assert "FPM initialization failed" in refused.stderr


S6_RUN = """\
#!/bin/sh
cd {folder}
exec {python} {shop} {address} {port} 2>>log/shop
"""


def test_s6(shop: Recipe) -> None:
    """A service is restarted; one that a release took down is started by its line."""
    scan = need("s6-svscan", "s6")
    for release in ("1", "2", "broken"):
        shop.add(release, "release", release)
    shop.switch("1")
    (shop.folder / "release").symlink_to("current/release")
    service = shop.folder / "service/shop"
    service.mkdir(parents=True)
    run = S6_RUN.format(folder=shop.folder, python=sys.executable, shop=SHOP, address=shop.address, port=PORT)
    (service / "run").write_text(run)
    (service / "run").chmod(0o755)
    shop.start(scan, str(service.parent))
    paths = {"/run/service": str(service.parent), "/var/log/shop/current": f"{shop.folder}/log/shop"}
    restart = recipe("s6", paths)
    assert shop.deploy("2", restart).returncode == 0
    with shop.load() as load:
        load.until(lambda answer: answer.body == "2", "release 2")
    broken = shop.deploy("broken", restart)
    assert broken.returncode == 1
    assert "| no such table: orders" in broken.stdout
    subprocess.run(["s6-svc", "-d", str(service)], check=True)
    back = shop.deploy("1", restart)
    assert back.returncode == 0, back.stdout + back.stderr
    assert "shop does not run there" in back.stdout
    with shop.load() as load:
        load.until(lambda answer: answer.body == "1", "release 1")


APPLICATION = """\
const server = require("http").createServer((request, response) => response.end("{release}"));
server.listen({port}, "{address}", () => process.send && process.send("ready"));
process.on("SIGINT", () => server.close(() => process.exit(0)));
"""


def test_pm2(shop: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """In cluster mode each new process comes before an old one goes."""
    pm2 = ROOT / ".cache/npm/node_modules/.bin/pm2"
    if not pm2.exists():
        pytest.skip("needs pm2, which scripts/setup installs where npm's registry can be reached")
    home = shop.folder / "home"
    monkeypatch.setenv("PM2_HOME", str(home / ".pm2"))
    monkeypatch.setenv("PATH", f"{pm2.parent}:{os.environ['PATH']}")
    for release in ("1", "2"):
        text = APPLICATION.format(release=release, address=shop.address, port=PORT)
        shop.add(release, "server.js", text)
    shop.add("broken", "server.js", "const {")
    shop.switch("1")
    shop.pidfiles.append(home / ".pm2/pm2.pid")
    shop.start(
        str(pm2), "start", f"{shop.folder}/current/server.js", "--name", "shop", "-i", "2", "--wait-ready"
    )
    require_rolled(shop, recipe("pm2", {"/srv/shop": str(shop.folder), "~/.pm2": str(home / ".pm2")}))
