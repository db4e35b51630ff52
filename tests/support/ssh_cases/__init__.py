"""Configurations of SSH as people have them, by what they decide."""

from __future__ import annotations

from tests.support.ssh_cases import keys, sections, stock, talk, trust, ways
from tests.support.ssh_cases.case import WHERE, Case

GROUPS = {
    module.__name__.rpartition(".")[2]: module.CASES for module in (sections, ways, keys, trust, talk, stock)
}

__all__ = ["GROUPS", "WHERE", "Case"]
