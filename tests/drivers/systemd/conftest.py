"""What the tests of `restart: systemd` share: shops on hosts with a real systemd."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.support.systemd_shop import SystemdShop

if TYPE_CHECKING:
    from tests.support.systemd_host import SystemdHost


@pytest.fixture
def shop(systemd_host: SystemdHost) -> Iterator[SystemdShop]:
    """One on this machine's systemd."""
    shop = SystemdShop(systemd_host)
    yield shop
    shop.remove()


@pytest.fixture
def newer(newer_systemd_host: SystemdHost) -> Iterator[SystemdShop]:
    """One on a systemd that knows Type=notify-reload."""
    shop = SystemdShop(newer_systemd_host)
    yield shop
    shop.remove()
