"""The command line of `rollout completion`."""

from __future__ import annotations

import argparse

EXAMPLES = {
    'eval "$(rollout completion bash)"': "in ~/.bashrc",
    'eval "$(rollout completion zsh)"': "in ~/.zshrc, after compinit",
    "rollout completion fish > ~/.config/fish/completions/rollout.fish": "once",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=["bash", "zsh", "fish"], help="the shell")
