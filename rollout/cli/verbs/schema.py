"""`rollout schema`: print the inventory's JSON Schema, for editors."""

from __future__ import annotations

import argparse
import json
import sys

from rollout.inventory.schema import json_schema


def run(arguments: argparse.Namespace) -> int:
    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
    return 0
