"""What was meant by a command line that cannot be parsed: what is wrong, and the line to type instead.

Nothing that is guessed here is carried out.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from rollout.cli.command_line.arrange import first_word
from rollout.cli.command_line.mistyped import alike
from rollout.cli.command_line.parser import VERBS, WrongLine, make_parser
from rollout.cli.command_line.rest import Rest
from rollout.cli.command_line.surroundings import is_inventory
from rollout.cli.command_line.synonyms import VERBS as OTHER_WORDS
from rollout.errors import UsageError

_RELEASE = re.compile(r"v?\d+(\.\w+)+")
"""What looks like nothing but a release."""


def explained(words: Sequence[str], reason: str) -> UsageError:
    """The error for a command line that the parser refused for this `reason`, in its words."""
    notes: list[str] = []
    verb, *others = _verb(words, notes) or [""]
    if not verb:
        return UsageError("; ".join(notes), hint=f"the verbs are {', '.join(VERBS)}")
    rest = Rest(verb, others)
    notes += rest.notes
    line = [] if rest.is_unclear else [rest.verb, *rest.words]
    if line and line != [*words]:
        left = _refusal(line)
        if not left:
            return UsageError("; ".join(notes), hint=f"did you mean: {shlex.join(['rollout', *line])}")
        notes.append(_plainly(left))
    hint = rest.hint or f"`rollout {rest.verb} --help` shows its options and examples"
    return UsageError("; ".join(dict.fromkeys(notes or [_plainly(reason)])), hint=hint)


def _verb(words: Sequence[str], notes: list[str]) -> list[str]:
    """The words with the verb that was meant as the first one; empty if that is not clear."""
    at = first_word(words)
    if at == len(words):
        notes.append("no verb is given")
        return ["deploy" if any(word.startswith("--rel") for word in words) else "status", *words]
    word, others = words[at], [*words[:at], *words[at + 1 :]]
    if word in VERBS:
        return [word, *others]
    if is_inventory(word):
        notes.append(f"{word} is no verb: -i names an inventory")
        return [*(_verb(others, []) or ["status"]), "-i", word]
    if _RELEASE.fullmatch(word):
        notes.append(f"{word} is no verb: --release names a release")
        return [*(_verb(others, []) if others else ["deploy"]), "--release", word]
    notes.append(f"there is no verb {word}")
    lowered = word.lower()
    if lowered == "rollout" and others:
        return _verb(others, notes)
    meant = OTHER_WORDS.get(lowered) or [alike(lowered, VERBS)]
    return [*meant, *others] if meant[0] else []


def _refusal(line: Sequence[str]) -> str:
    """Why the parser refuses a line; empty if it does not."""
    if "--help" in line or "-h" in line:
        return ""
    try:
        make_parser(line[0]).parse_args(line)
    except WrongLine as error:
        return str(error)
    return ""


def _plainly(reason: str) -> str:
    """What argparse says, in our words."""
    if found := re.fullmatch(r"argument (.+?): (.*)", reason):
        name, problem = found[1].split("/")[-1], found[2]
        if problem.startswith("expected one argument"):
            return f"{name} needs a value"
        if problem.startswith("ignored explicit argument"):
            return f"{name} takes no value"
        if choices := re.fullmatch(r"invalid choice: (.+?) \(choose from (.*)\)", problem):
            return f"{name} takes {choices[2].replace(chr(39), '')}, not {choices[1].strip(chr(39))}"
        return f"{name}: {problem}"
    if found := re.fullmatch(r"the following arguments are required: (.*)", reason):
        return f"{found[1]} is missing"
    return reason
