"""Variables: `${NAME}` stands for a value from the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_IN_VALUES = re.compile(rf"\$\$\{{|\$\{{(?:({_NAME})\}})?")
_IN_SHELL_LINES = re.compile(rf"\$\$|\$\{{({_NAME})\}}")
_OWN = "ROLLOUT_"


class Variables:
    """Fills in `${NAME}` and remembers, in `used`, every name with its value."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.used: dict[str, str] = {}

    def fill(self, text: str) -> tuple[str, list[str]]:
        """`text` with its variables filled in (`$${` is a literal `${`), and what is wrong with them."""
        wrong: list[str] = []

        def value(match: re.Match[str]) -> str:
            if match[0] == "$${":
                return "${"
            if match[1] is None:
                wrong.append("${ begins a variable: expected ${NAME}, or $${ for a literal ${")
                return ""
            return self._look_up(match[1], wrong)

        return _IN_VALUES.sub(value, text), wrong

    def collect(self, line: str) -> list[str]:
        """Look up the variables of a shell line, and give what is wrong with them.

        The shell itself fills them in, from its environment. Only the plain `${NAME}` is looked up here:
        every other expansion is the shell's, and `$$` is its process id.
        """
        wrong: list[str] = []
        for match in _IN_SHELL_LINES.finditer(line):
            if match[1] and not match[1].startswith(_OWN):
                self._look_up(match[1], wrong)
        return wrong

    def _look_up(self, name: str, wrong: list[str]) -> str:
        if name not in self._environment:
            wrong.append(f"environment variable {name} is not set")
            return ""
        self.used[name] = self._environment[name]
        return self.used[name]
