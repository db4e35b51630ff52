"""The settings of a container, so that one of another image can be made like it.

The daemon adds the settings of an image to those that a container was given. They are taken out again here:
the new container gets the command, the environment and so on of its own image, except for what was set by
hand.
"""

from __future__ import annotations

from typing import List, Tuple

from rollout.agents.docker.places import Shown, bindings_that_stay

_OF_THE_IMAGE = ("WorkingDir", "User", "StopSignal", "Healthcheck", "Shell", "OnBuild")
_MAPPINGS_OF_THE_IMAGE = ("Labels", "Volumes", "ExposedPorts")


def copy_of(container: Shown, its_image: Shown, image: str, host_name: str) -> Shown:
    """The body of a request to create such a container of `image`, on a machine of that name."""
    return {
        **_config(container, its_image["Config"] or {}, host_name),
        "Image": image,
        "HostConfig": _host_config(container),
        "NetworkingConfig": {"EndpointsConfig": dict(_networks(container)[:1])},
    }


def further_networks(container: Shown) -> List[Tuple[str, Shown]]:
    """The networks, with their settings, that the new container must be connected to once it is made."""
    return _networks(container)[1:]


def _config(container: Shown, given: Shown, host_name: str) -> Shown:
    config = {
        key: value
        for key, value in container["Config"].items()
        if key not in _OF_THE_IMAGE or value != given.get(key)
    }
    inherited = set(given.get("Env") or ())
    config["Env"] = [entry for entry in config.get("Env") or () if entry not in inherited]
    for key in _MAPPINGS_OF_THE_IMAGE:
        theirs = given.get(key) or {}
        entries = (config.get(key) or {}).items()
        config[key] = {name: value for name, value in entries if theirs.get(name, ...) != value}
    # A container with its own entrypoint takes no command from its image.
    if config.get("Entrypoint") == given.get("Entrypoint"):
        config.pop("Entrypoint", None)
        if config.get("Cmd") == given.get("Cmd"):
            config.pop("Cmd", None)
    shares = container["HostConfig"]["NetworkMode"].startswith("container:")
    if shares or config.get("Hostname") in (container["Id"][:12], host_name):
        config.pop("Hostname", None)
    return config


def _host_config(container: Shown) -> Shown:
    """The settings of the host. Volumes without a name of their own are handed on: there may be data in
    them. So are ports that Docker has chosen: whoever uses them knows no others."""
    host: Shown = dict(container["HostConfig"])
    binds = list(host.get("Binds") or ())
    mounts = [mount for mount in host.get("Mounts") or () if mount["Type"] != "volume" or mount.get("Source")]
    named = {bind.split(":")[1] for bind in binds} | {mount["Target"] for mount in mounts}
    host["Mounts"] = mounts
    host["Binds"] = binds + [
        f"{mount['Name']}:{mount['Destination']}" + ("" if mount["RW"] else ":ro")
        for mount in container["Mounts"]
        if mount["Type"] == "volume" and mount["Destination"] not in named
    ]
    host["PortBindings"] = bindings_that_stay(container)
    links = [link.split(":") for link in host.get("Links") or ()]
    host["Links"] = [f"{source}:{alias.rpartition('/')[2]}" for source, alias in links]
    return host


def _networks(container: Shown) -> List[Tuple[str, Shown]]:
    """A container's networks, first the one that it was made with. Addresses and aliases that it has by
    chance are left out."""
    mode = container["HostConfig"]["NetworkMode"]
    networks = container["NetworkSettings"]["Networks"] or {}
    chosen = []
    for name, endpoint in networks.items():
        settings = {key: endpoint.get(key) for key in ("IPAMConfig", "Links", "DriverOpts")}
        aliases = [alias for alias in endpoint.get("Aliases") or () if alias != container["Id"][:12]]
        if aliases:
            settings["Aliases"] = aliases
        chosen.append((name, settings))
    return sorted(chosen, key=lambda network: mode not in (network[0], networks[network[0]]["NetworkID"]))
