"""The sections of a log that CI systems fold: GitHub's groups, and GitLab's collapsible sections."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping

from rollout.views.text import Lines


class Sections:
    """No sections, as in a file: each line names its node."""

    def open(self, lines: Lines, node: str) -> None:
        """Begin the section of a node."""

    def close(self, lines: Lines, node: str) -> None:
        """End the section of a node."""

    def harmless(self, line: str) -> str:
        """`line`, which the CI system takes for no command of its own."""
        return line


class GitHubSections(Sections):
    """The groups of GitHub Actions."""

    def open(self, lines: Lines, node: str) -> None:
        lines.write(f"::group::{node}")

    def close(self, lines: Lines, node: str) -> None:
        lines.write("::endgroup::")

    def harmless(self, line: str) -> str:
        """A line that begins with `::`, or has `##[` anywhere, is a command to the runner."""
        line = line.replace("##[", "# #[")
        return f" . {line}" if line.lstrip().startswith("::") else line


class GitLabSections(Sections):
    """The collapsible sections of GitLab, each with a name of its own."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._opened = 0

    def open(self, lines: Lines, node: str) -> None:
        self._opened += 1
        lines.control(f"section_start:{self._clock():.0f}:{self._name(node)}[collapsed=true]", node)

    def close(self, lines: Lines, node: str) -> None:
        lines.control(f"section_end:{self._clock():.0f}:{self._name(node)}", "")

    def _name(self, node: str) -> str:
        return f"rollout_{self._opened}_{re.sub(r'[^A-Za-z0-9_.-]', '_', node)}"


def sections_for(environment: Mapping[str, str]) -> Sections:
    """The sections of the CI system whose environment this is."""
    if environment.get("GITHUB_ACTIONS") == "true":
        return GitHubSections()
    return GitLabSections() if environment.get("GITLAB_CI") == "true" else Sections()
