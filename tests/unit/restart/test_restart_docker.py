"""What the docker driver makes of an image's name."""

from __future__ import annotations

import pytest

from rollout.errors import UsageError
from rollout.inventory.restart import Docker
from rollout.inventory.template import fill
from rollout.restart.docker import plan_restart


def shown(image: str, release: str | None) -> str:
    """What people are shown of the restart."""
    settings = Docker(container="shop-{node}", image=image)
    return plan_restart(
        settings, 60, lambda text: fill(text, host="10.0.0.11", node="web1", release=release)
    ).shown


@pytest.mark.parametrize(
    ("image", "filled"),
    [
        ("shop:$ROLLOUT_RELEASE", "shop:1.5"),
        ("shop:$ROLLOUT_RELEASE-slim", "shop:1.5-slim"),
        ("r.example.com:5000/{node}/shop:{release}", "r.example.com:5000/web1/shop:1.5"),
        ("shop:latest", "shop:latest"),
    ],
)
def test_an_image_is_named_by_the_release(image: str, filled: str) -> None:
    """As a shell would fill it in, or as elsewhere in an inventory; nothing of it reaches a shell."""
    assert shown(image, "1.5") == f"container shop-web1 from {filled}"


def test_without_a_release_only_an_image_without_one_is_taken() -> None:
    """A rolling restart keeps what runs, unless the inventory names an image that needs no release."""
    assert shown("shop:$ROLLOUT_RELEASE", None) == "docker restart shop-web1"
    assert shown("shop:latest", None) == "container shop-web1 from shop:latest"


@pytest.mark.parametrize("image", ["shop:$RELEASE", "shop:$ROLLOUT_RELEASES", "shop:$(date)", "shop:$$"])
def test_other_things_of_the_shell_are_a_mistake_of_the_inventory(image: str) -> None:
    """Found before anything is run."""
    with pytest.raises(UsageError, match="is not the name of an image"):
        shown(image, "1.5")
