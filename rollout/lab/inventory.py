"""The inventory of a lab."""

from __future__ import annotations

from rollout.lab.files import fill
from rollout.lab.layout import Layout

_HEALTH_PAGE = """
drain:
  health_page:
    file: {home}/nodes/{{node}}/draining
"""


def text(layout: Layout, user: str) -> str:
    """The inventory in YAML. `user` logs in by SSH."""
    health_page = layout.settings.drain == "health-page"
    by_ssh = {one.name: f"ssh://{user}@{one.host}:{layout.addresses.ssh}" for one in layout.load_balancers}
    return fill(
        "inventory.yml",
        home=layout.home,
        user=user,
        port=layout.addresses.ssh,
        app_port=layout.addresses.app,
        window=layout.settings.window,
        load_balancers="\n".join(
            f"  {one.name}:\n    haproxy: {by_ssh[one.name]}{one.socket()}\n"
            f"    master: {by_ssh[one.name]}{one.socket('master')}"
            for one in layout.load_balancers
        ),
        nodes="\n".join(f"  {node.name}: {{host: {node.host}, zone: {node.zone}}}" for node in layout.nodes),
        drain=_HEALTH_PAGE.format(home=layout.home) if health_page else "",
    )
