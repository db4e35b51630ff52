"""The interface for restart drivers that other packages bring: all that their modules need of rollout.

A driver is a module that an entry point of the group `rollout.drivers` names. It has

- `Settings`: the type of its settings in an inventory, such as a `Section`, or `Word` for a single word;
- `plan_restart(settings, timeout, fill)`, which returns a `RestartPlan`. `timeout` is in seconds, and `fill`
  fills in `{host}`, `{node}` and `{release}`. It may raise `UsageError`, and does nothing else;
- `LEAVES_A_GAP`: whether there may be nobody to answer during the restart. Without it, there may be.

The first line of its docstring describes it in the schema. `docs/own-drivers.md` explains all of it. Names in
this file stay, and mean what they mean.
"""

from __future__ import annotations

from rollout.errors import UsageError
from rollout.inventory.quantities import Duration, Timeout
from rollout.inventory.section import Section
from rollout.inventory.template import Fill
from rollout.inventory.texts import AbsolutePath, FilledWord, Text, Word
from rollout.remote.agent import file_owner, process_owner
from rollout.restart.driver import (
    STEADY,
    Ask,
    Job,
    Proof,
    ProofResult,
    ProofStatus,
    RestartPlan,
    by_agent,
)

__all__ = [
    "STEADY",
    "AbsolutePath",
    "Ask",
    "Duration",
    "Fill",
    "FilledWord",
    "Job",
    "Proof",
    "ProofResult",
    "ProofStatus",
    "RestartPlan",
    "Section",
    "Text",
    "Timeout",
    "UsageError",
    "Word",
    "by_agent",
    "file_owner",
    "process_owner",
]
