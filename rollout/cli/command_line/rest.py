"""The words after a verb, read as a person would: each option, each value and each word that stands alone."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import pairwise

from rollout.cli.command_line.mistyped import alike, having, is_option, meant_option, usual
from rollout.cli.command_line.parser import VERBS
from rollout.cli.command_line.surroundings import inventory_path, is_inventory, service_and_nodes
from rollout.cli.command_line.synonyms import ACTIONS, DRY_RUN, FORCE
from rollout.cli.command_line.table import arguments, is_switch, options

_LOOKING = ("status", "plan", "check", "history")
"""The verbs that touch nothing."""
_ABOUT = {
    "deploy": ("--release", "a release"),
    "plan": ("--release", "a release"),
    "rollback": ("--to", "a release"),
}
"""The option that a verb is mostly about, and what its value names."""
_SAYS_NOTHING = ("all", "now", "please", "nodes", "everything")


class Rest:
    """What was meant by the words after a verb."""

    def __init__(self, verb: str, words: Sequence[str]) -> None:
        self.verb = verb
        """The verb, which may become another one: a dry run of `deploy` is `plan`."""
        self.words: list[str] = []
        """The options and arguments that were meant, in order."""
        self.notes: list[str] = []
        """What is wrong."""
        self.hint = ""
        self.is_unclear = False
        """Whether there is no line to give instead."""
        self._places = arguments(verb)
        self._nodes: list[str] = []
        """Nodes that are named without `--limit`."""
        self._left = list(words)
        while self._left:
            word = self._left.pop(0)
            if is_option(word):
                name, equals, value = word.partition("=")
                self._option(name, value if equals else None)
            else:
                self._alone(word)
        if self._nodes:
            self._limit_to_nodes()
        for place in self._places:
            if place.required and place.nargs != "*":
                self.is_unclear = True
                needed = " or ".join(map(str, place.choices or [place.metavar]))
                self.notes.append(f"`rollout {verb}` needs {needed}")

    def _option(self, raw: str, value: str | None) -> None:
        name = meant_option(self.verb, raw)
        if not name and self._names_the_file(raw):
            self._is_no_option(raw)
            return
        if not name:
            self._foreign(raw, value)
            return
        if name != raw:
            self._is_no_option(raw)
        option = options(self.verb)[name]
        if is_switch(option):
            self.words.append(name)
            if value is not None:
                self.notes.append(f"{name} takes no value")
            return
        if value is None and self._left and not is_option(self._left[0]):
            value = self._left.pop(0)
        if value is None:
            self.is_unclear = True
            self.notes.append(f"{name} needs a value: {name} {option.metavar or option.dest.upper()}")
        else:
            self.words += [name, self._chosen(f"{name} takes", option, value)]

    def _foreign(self, raw: str, value: str | None) -> None:
        """An option that the verb does not have, by whatever name."""
        name = usual(raw)
        if name in DRY_RUN and self.verb in _LOOKING:
            self.notes.append(f"{raw} is not needed: `rollout {self.verb}` touches nothing")
        elif name in DRY_RUN and self.verb == "deploy":
            self.notes.append(f"{raw} is not an option: `rollout plan` shows what a deploy would do")
            self._become_plan()
        elif name == "--json" and "--output" in options(self.verb):
            self._is_no_option(raw)
            self.words += ["--output", "json"]
        else:
            self.is_unclear = True
            self._is_no_option(raw)
            self.hint = self._whose(name, raw)
            if value is None and self._left and not is_option(self._left[0]):
                self._left.pop(0)  # its value, most likely

    def _whose(self, name: str, raw: str) -> str:
        """Where that can be said which an unknown option says; empty if nobody knows."""
        if verbs := having(name) or having(raw):
            return f"{name} is an option of {', '.join(verbs)}"
        if name in DRY_RUN:
            return "`rollout plan` shows what a deploy would do, and touches nothing"
        if name in FORCE and (allows := [one for one in options(self.verb) if one.startswith("--allow")]):
            return f"each refusal says what it is about; {' and '.join(allows)} skip one check each"
        if key := _key_of_inventories(name):
            return f"the inventory says that: {key}"
        return ""

    def _names_the_file(self, raw: str) -> bool:
        """Whether an option stands before the file that the verb is to write, which needs none."""
        return bool(self._places) and self._places[0].dest == "file" and bool(meant_option("deploy", raw))

    def _become_plan(self) -> None:
        """Leave out what says nothing to `plan`."""
        words, self.verb, self.words = [*self.words, *self._left], "plan", []
        self._left = []
        while words:
            word = words.pop(0)
            option = options("deploy").get(word.partition("=")[0])
            if word.partition("=")[0] in options("plan") or option is None:
                self._left.append(word)
            elif not is_switch(option) and "=" not in word and words:
                words.pop(0)

    def _alone(self, word: str) -> None:
        """A word that is neither an option nor an option's value."""
        known = options(self.verb)
        name, equals, value = word.partition("=")
        forgotten = is_inventory(word) and "--inventory" in known and not self._has("-i", "--inventory")
        if self._places and not forgotten:
            place = self._places[0] if self._places[0].nargs == "*" else self._places.pop(0)
            self.words.append(self._chosen("expected", place, word))
            return
        if equals and (option := meant_option(self.verb, f"--{name}")):
            self.notes.append(f"{word} is not expected here: options begin with --")
            self._option(option, value)
            return
        about, what = _ABOUT.get(self.verb, ("", ""))
        note = f"{word} is not expected here"
        if word in (*_SAYS_NOTHING, self.verb):
            pass
        elif forgotten:
            note += ": -i names an inventory"
            self.words += ["-i", word]
        elif "--limit" in known and word in self._nodes_of_inventory():
            note += ": --limit names nodes"
            self._nodes.append(word)
        elif word in VERBS and word != self.verb:
            self.is_unclear = True
            self.hint = f"give one verb: `rollout {self.verb}` or `rollout {word}`"
        elif self.verb == "history" and word.isdecimal():
            self.verb = "show"
            self.words.append(word)
        elif about and not self._has(about):
            note += f": {about} names {what}"
            self.words += [about, word]
        else:
            self.is_unclear = True
        self.notes.append(note)

    def _chosen(self, beginning: str, action: argparse.Action, value: str) -> str:
        """The value that was meant where there are few."""
        choices = [str(each) for each in action.choices or ()]
        if not choices or value in choices:
            return value
        self.notes.append(f"{beginning} {' or '.join(choices)}, not {value}")
        meant = ACTIONS.get(value.lower(), "") if self.verb == "lab" else ""
        meant = meant or alike(value.lower(), choices)
        self.is_unclear |= not meant
        return meant

    def _limit_to_nodes(self) -> None:
        if self._has("--limit"):
            at = self.words.index("--limit") + 1
            self.words[at] = ",".join([self.words[at], *self._nodes])
        else:
            self.words += ["--limit", ",".join(self._nodes)]

    def _nodes_of_inventory(self) -> Sequence[str]:
        words = [*self.words, *self._left]
        given = [value for name, value in pairwise(words) if name in ("-i", "--inventory")]
        return service_and_nodes(inventory_path(given[0] if given else None))[1]

    def _has(self, *names: str) -> bool:
        return any(word.partition("=")[0] in names for word in (*self.words, *self._left))

    def _is_no_option(self, raw: str) -> None:
        self.notes.append(f"{raw} is not an option of `rollout {self.verb}`")


def _key_of_inventories(option: str) -> str:
    """The key of the inventory that has an option's name, such as `strategy.window`; empty if none has."""
    from rollout.inventory.schema import json_schema  # it brings all that inventories need

    wanted = option.lstrip("-").replace("-", "_")
    schema = json_schema()
    for name, section in schema["properties"].items():
        if name == wanted:
            return str(name)
        for reference in _references(section):
            if wanted in schema["$defs"].get(reference, {}).get("properties", {}):
                return f"{name}.{wanted}"
    return ""


def _references(section: dict[str, object]) -> list[str]:
    """The definitions of a schema that a section is made of."""
    found = [section, *(each for each in section.get("anyOf", ()) if isinstance(each, dict))]  # type: ignore[attr-defined]
    return [str(each["$ref"]).rpartition("/")[2] for each in found if "$ref" in each]
