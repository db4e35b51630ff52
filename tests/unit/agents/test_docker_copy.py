"""What a new container takes over from the old one; tests/drivers/docker has the daemon's view of it."""

from __future__ import annotations

from typing import Any

import pytest

from rollout.agents.docker.copy import copy_of, further_networks

IMAGE = {"Entrypoint": ["serve"], "Cmd": ["--quick"], "Env": ["PATH=/bin"], "User": "www"}
ID = "0123456789abcdef"


def copied(config: dict[str, Any], host: dict[str, Any] | None = None, **shown: Any) -> Any:
    """The copy of a container of IMAGE that has `config` and `host` instead of what was there by itself."""
    container = {
        "Id": ID,
        "Config": {**IMAGE, "Hostname": ID[:12], **config},
        "HostConfig": {"NetworkMode": "default", **(host or {})},
        "Mounts": [],
        "NetworkSettings": {"Networks": {}},
        **shown,
    }
    return copy_of(container, {"Config": IMAGE}, "shop:1.5", "web1.example.com")


@pytest.mark.parametrize(
    ("own", "kept"),
    [
        ({}, {}),
        ({"Cmd": ["--slow"]}, {"Cmd": ["--slow"]}),
        ({"Entrypoint": ["sh"]}, {"Entrypoint": ["sh"], "Cmd": ["--quick"]}),
        ({"Entrypoint": ["sh"], "Cmd": None}, {"Entrypoint": ["sh"], "Cmd": None}),
        ({"User": "root"}, {"User": "root"}),
        ({"Env": ["PATH=/sbin"]}, {"Env": ["PATH=/sbin"]}),
        ({"Hostname": "till"}, {"Hostname": "till"}),
        ({"Hostname": "web1.example.com"}, {}),
    ],
)
def test_what_is_as_the_image_says_is_left_to_the_new_image(
    own: dict[str, Any], kept: dict[str, Any]
) -> None:
    """Only what was set for the container itself is set for the new one."""
    made = copied(own)
    keys = ("Entrypoint", "Cmd", "User", "Hostname")
    assert {key: made[key] for key in keys if key in made} | {"Env": made["Env"]} == {"Env": [], **kept}
    assert made["Image"] == "shop:1.5"


def test_one_that_shares_a_network_has_no_name_of_its_own() -> None:
    """The daemon refuses a host name beside the network of another container."""
    assert "Hostname" not in copied({"Hostname": "till"}, {"NetworkMode": "container:db"})


def test_links_are_written_as_they_are_asked_for() -> None:
    """The daemon shows them by the names of both containers."""
    assert copied({}, {"Links": ["/db:/shop/database"]})["HostConfig"]["Links"] == ["/db:database"]


def test_a_read_only_volume_stays_one() -> None:
    """A volume without a name of its own is handed on as it was."""
    mount = {"Type": "volume", "Name": "f00", "Destination": "/data", "RW": False}
    asked = {"Type": "volume", "Target": "/data", "ReadOnly": True}
    made = copied({}, {"Mounts": [asked]}, Mounts=[mount])["HostConfig"]
    assert (made["Mounts"], made["Binds"]) == ([], ["f00:/data:ro"])


def test_a_container_is_made_in_its_own_network_first() -> None:
    """It is connected to the others later, and the old one's id is no alias of the new one."""
    networks = {
        "a": {"NetworkID": "1", "Aliases": None, "IPAMConfig": {"IPv4Address": "10.9.0.9"}},
        "b": {"NetworkID": "2", "Aliases": ["shop", ID[:12]], "IPAddress": "10.8.0.2"},
    }
    shown = {"HostConfig": {"NetworkMode": "b"}, "NetworkSettings": {"Networks": networks}}
    made = copied({}, **shown)["NetworkingConfig"]["EndpointsConfig"]
    assert list(made) == ["b"]
    assert made["b"]["Aliases"] == ["shop"]
    assert "IPAddress" not in made["b"]
    ((other, settings),) = further_networks({"Id": ID, **shown})
    assert (other, settings["IPAMConfig"]) == ("a", {"IPv4Address": "10.9.0.9"})
