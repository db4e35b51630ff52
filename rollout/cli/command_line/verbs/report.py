"""The command line of `rollout report`."""

from __future__ import annotations

import argparse

from rollout.cli.command_line.options import add_deployment, add_shared

EXAMPLES = {
    "rollout report -i prod.yml --open": "the last deployment, in your browser",
    "rollout report 17 -i prod.yml --format md": "for a chat or a ticket",
}
ENDINGS = {"html": ".html", "md": ".md", "svg": ".svg", "png": ".png"}
"""The formats, each with the usual ending of its files."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_deployment(parser)
    add_shared(parser)
    parser.add_argument(
        "-o",
        "--out",
        metavar="FILE",
        help="where to write it; - is standard output, as for md (default: rollout-SERVICE-ID.html here)",
    )
    parser.add_argument(
        "--format",
        choices=[*ENDINGS],
        help="html: a page that needs no network (default, or by the ending of FILE); md: for chats and "
        "tickets; svg; png",
    )
    parser.add_argument("--open", action="store_true", help="open it in a browser afterwards")
