"""Where a container is reached: ports of the machine, and its addresses in networks.

Docker may choose them anew at each start, and tells nobody. A new container keeps the ports of the one
before; what changes all the same is said.
"""

from __future__ import annotations

import re
from typing import Any, Dict, List

Shown = Dict[str, Any]
"""A container or a part of one, as `docker inspect` shows it."""
_ONE_PORT = re.compile(r"0*[1-9][0-9]*")


def bindings_that_stay(container: Shown) -> Shown:
    """The published ports of a container as its settings have them, but those that Docker has chosen as they
    are now."""
    return {**(container["HostConfig"].get("PortBindings") or {}), **chosen(container)}


def chosen(container: Shown) -> Shown:
    """The published ports that Docker has chosen for a container, as they are now."""
    bindings = container["HostConfig"].get("PortBindings") or {}
    now = container["NetworkSettings"].get("Ports") or {}
    return {port: places for port, places in now.items() if places and not _is_fixed(bindings.get(port))}


def changes(before: Shown, after: Shown) -> List[str]:
    """What of a container is reached elsewhere than before, in words."""
    then, now = _places(before), _places(after)
    return [
        f"{what} is {now[what]} now, no longer {place}"
        for what, place in then.items()
        if now.get(what, place) != place
    ]


def in_words(places: List[Shown]) -> str:
    """The places at which a port is published."""
    return ", ".join(sorted({f"{one['HostIp']}:{one['HostPort']}" for one in places}))


def _is_fixed(bindings: Any) -> bool:
    """Whether each binding names one port of the machine. It may name a range, or none."""
    return bool(bindings) and all(_ONE_PORT.fullmatch(one.get("HostPort") or "") for one in bindings)


def _places(container: Shown) -> Dict[str, str]:
    """Ports and addresses, each with where it is; none of a container that does not run."""
    network = container["NetworkSettings"]
    found = {
        f"port {port}": in_words(bindings)
        for port, bindings in (network.get("Ports") or {}).items()
        if bindings
    }
    for name, endpoint in (network.get("Networks") or {}).items():
        if endpoint.get("IPAddress"):
            found[f"its address in network {name}"] = endpoint["IPAddress"]
    return found
