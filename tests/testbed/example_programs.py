"""Programs and settings that make a machine what an example inventory says it is."""

from __future__ import annotations

ON_GIT = """
install -o deploy -d /srv/shop.git
cat >/tmp/clone <<'END'
cd /srv/shop
rm current
mkdir current
git init -q
git config user.name shop
git config user.email shop@example.com
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
        'Maintainer: shop <shop@example.com>' >$release/DEBIAN/control
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
