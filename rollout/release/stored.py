"""`release.archive` and `release.files`: each release in a folder of its own on the node, a link to one."""

from __future__ import annotations

import re
from pathlib import Path

from rollout.agents.release import keep, look, receive, switch
from rollout.domain import Content
from rollout.errors import UsageError
from rollout.inventory.release import Archive, Files
from rollout.inventory.template import Fill
from rollout.release.plan import ReleasePlan, Upload
from rollout.remote.agent import AgentInput, file_owner, on_node, on_node_with_input

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+~:@=,-]{0,199}")
_TAKEN = ("current", "previous")


def archive(settings: Archive, timeout: float, here: Path, release: str | None, fill: Fill) -> ReleasePlan:
    """The plan for an archive; a relative source begins at `here`. `timeout` is in seconds.

    Raises UsageError if no folder can bear the release's name.
    """
    return _stored(
        settings.source,
        settings.directory,
        settings.keep,
        timeout=timeout,
        here=here,
        release=release,
        fill=fill,
        packed=False,
    )


def files(settings: Files, timeout: float, here: Path, release: str | None, fill: Fill) -> ReleasePlan:
    """The plan for a file or a folder; a relative source begins at `here`. `timeout` is in seconds.

    Raises UsageError if no folder can bear the release's name.
    """
    return _stored(
        settings.source,
        settings.to,
        settings.keep,
        timeout=timeout,
        here=here,
        release=release,
        fill=fill,
        packed=True,
        bandwidth=settings.bandwidth,
    )


def _stored(
    source: str,
    directory: str,
    kept: int,
    *,
    timeout: float,
    here: Path,
    release: str | None,
    fill: Fill,
    packed: bool,
    bandwidth: float | None = None,
) -> ReleasePlan:
    if release is not None:
        _require_usable(release)
    directory, name = fill(directory), release or ""
    owner = file_owner(directory)
    path = here / Path(fill(source)).expanduser()
    keeping = keep.Options(directory=directory, release=name, keep=kept, warm=packed, pace=bandwidth)

    def receiving(content: Content) -> AgentInput:
        options = receive.Options(
            directory=directory,
            release=name,
            keep=kept,
            warm=packed,
            size=content.size,
            digest=content.sha256,
        )
        return on_node_with_input(receive.main, options, acting_for=owner)

    switching = switch.Options(directory=directory, release=name, keep=kept)
    return ReleasePlan(
        timeout=timeout,
        command=on_node(switch.main, switching, acting_for=owner),
        undo=on_node(switch.main, switching._replace(back=True), acting_for=owner),
        shown=f"{directory}/current → releases/{name}",
        upload=Upload(
            source=path,
            packed=packed,
            of_one_release="{release}" in source,
            bandwidth=bandwidth,
            shown=f"{path} → {directory}/releases/{name}",
            look=on_node(look.main, look.Options(directory=directory, release=name), acting_for=owner),
            receive=receiving,
            keep=on_node(keep.main, keeping, acting_for=owner),
        ),
    )


def _require_usable(release: str) -> None:
    if release in _TAKEN:
        raise UsageError(f"a release cannot be called {release!r}: that is the name of a link on the nodes")
    if not _NAME.fullmatch(release):
        raise UsageError(
            f"the release {release!r} cannot be the name of a folder on the nodes",
            hint="use letters, digits and _ . + - ~ : @ = , and begin with a letter, a digit or _",
        )
