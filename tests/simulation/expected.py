"""What HAProxy 2.6 and 3.0 show after commands that are sent to a fresh one, and what they refuse."""

from __future__ import annotations

STATES = {
    "": "UP 2 0 4 | UP 2 0",
    "shop state drain": "DRAIN 2 8 4 | DRAIN 2 16",
    "shop state maint": "MAINT 0 1 0 | MAINT (via shop/web1) 0 2",
    "shop state drain; shop state maint": "MAINT 0 1 0 | MAINT (via shop/web1) 0 2",
    # Leaving maintenance makes it UP at once, unchecked; draining clears maintenance, too.
    "shop state maint; shop state drain": "DRAIN 1/3 2 8 2 | DRAIN 1/3 2 16",
    "shop state maint; shop state ready": "UP 1/3 2 0 2 | UP 1/3 2 0",
    "shop state drain; shop state ready": "UP 2 0 4 | UP 2 0",
    "shop health down": "DOWN 0 0 0 | DOWN 0 0",
    "shop health down; shop state ready": "DOWN 0 0 0 | DOWN 0 0",
    "shop state drain; shop health down": "DOWN 0 8 0 | DOWN 0 16",
    "shop state drain; shop health down; shop state ready": "DOWN 0 0 0 | DOWN 0 0",
    # In maintenance the health is forgotten.
    "shop state maint; shop health down": "MAINT 0 1 0 | MAINT (via shop/web1) 0 2",
    "shop state maint; shop health down; shop state ready": "UP 1/3 2 0 2 | UP 1/3 2 0",
    "shop state drain; shop health down; shop state maint": "MAINT 0 1 0 | MAINT (via shop/web1) 0 2",
    "shop state drain; shop health down; shop state maint; shop state ready": "UP 1/3 2 0 2 | UP 1/3 2 0",
    "shop state drain; shop health down; shop state maint; shop state drain": (
        "DRAIN 1/3 2 8 2 | DRAIN 1/3 2 16"
    ),
    "shop state drain; shop health down; shop state maint; shop health up": (
        "MAINT 0 1 4 | MAINT (via shop/web1) 0 2"
    ),
    "shop state drain; shop health down; shop health up": "DRAIN 2 8 4 | DRAIN 2 16",
    "shop state drain; shop health down; shop health up; shop state ready": "UP 2 0 4 | UP 2 0",
    "shop health stopping": "NOLB 3 0 4 | NOLB 3 0",
    "shop health stopping; shop state drain": "NOLB 3 8 4 | NOLB 3 16",
    "shop health stopping; shop health down": "DOWN 0 0 0 | DOWN 0 0",
    "shop health stopping; shop state ready": "NOLB 3 0 4 | NOLB 3 0",
    "shop health down; shop health stopping": "NOLB 3 0 4 | NOLB 3 0",
    "shop health stopping; shop state maint; shop state ready": "UP 1/3 2 0 2 | UP 1/3 2 0",
    "shop state maint; shop health up; shop state ready": "UP 1/3 2 0 2 | UP 1/3 2 0",
    # A weight of 0 shows in no status; shares of 1 truncate.
    "shop weight 0": "UP 2 0 4 | UP 2 0",
    "shop weight 99%; shop state drain": "DRAIN 2 8 4 | DRAIN 2 16",
    # The one that tracks.
    "api state drain": "UP 2 0 4 | DRAIN 2 8",
    "api state maint": "UP 2 0 4 | MAINT 0 1",
    "shop state maint; api state maint": "MAINT 0 1 0 | MAINT (via shop/web1) 0 3",
    "shop state maint; api state maint; shop state ready": "UP 1/3 2 0 2 | MAINT 0 1",
    "shop state maint; api state maint; api state ready": "MAINT 0 1 0 | MAINT (via shop/web1) 0 2",
    "shop state maint; api state maint; shop state drain": "DRAIN 1/3 2 8 2 | MAINT 0 17",
    "shop state maint; api state maint; shop state drain; shop health down": "DOWN 0 8 0 | MAINT 0 17",
    "shop state maint; api state maint; shop state drain; shop health down; api state drain": (
        "DOWN 0 8 0 | DOWN 0 24"
    ),
    "shop state maint; api state maint; api state drain; shop state drain; shop health down": (
        "DOWN 0 8 0 | DOWN 0 24"
    ),
    "shop state drain; shop health down; shop health up; shop state ready; api state ready": (
        "UP 2 0 4 | UP 2 0"
    ),
    "shop health down; api state maint; api state ready": "DOWN 0 0 0 | DOWN 0 0",
}
"""The status, op, adm and check_health of shop/web1, and those of api/web1, which tracks it."""

UNCHECKED_STATES = {
    "raw/web1 state drain": "DRAIN 2 8",
    "raw/web1 state maint": "MAINT 0 1",
    "raw/web1 state maint; raw/web1 state drain": "DRAIN 2 8",
    "raw/web1 state maint; raw/web1 state drain; raw/web1 state ready": "no check 2 0",
    "raw/web1 health down": "DOWN 0 0",
    "raw/web1 health down; raw/web1 state ready": "DOWN 0 0",
    "raw/web1 health down; raw/web1 health up": "no check 2 0",
    "raw/web1 state maint; raw/web1 health down; raw/web1 state ready": "no check 2 0",
    "raw/web1 health down; raw/web1 state maint; raw/web1 state ready": "no check 2 0",
    "raw/web1 health stopping": "NOLB 3 0",
    "raw/off state ready": "no check 2 4",
    "raw/off state drain": "DRAIN 2 12",
    "raw/off state maint": "MAINT 0 5",
}
"""The same of the server that the first command names."""

ERRORS = {
    "set server nope/web1 state drain": "No such backend.",
    "set server shop/nope state drain": "No such server.",
    "set server shop state drain": "Require 'backend/server'.",
    "set server shop/web1 state sideways": "'set server <srv> state' expects 'ready', 'drain' and 'maint'.",
    "set server shop/web1 state": "'set server <srv> state' expects 'ready', 'drain' and 'maint'.",
    "set server shop/web1 health sideways": "'set server <srv> health' expects 'up', 'stopping', or 'down'.",
    "set server api/web1 health up": "cannot change health on a tracking server.",
    "set server shop/web1 weight 300": "Absolute weight can only be between 0 and 256 inclusive.",
    "shutdown sessions server shop/nope": "No such server.",
    "show servers state nope": "Can't find backend.",
}
