"""The output of `rollout plan`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rollout.decisions.finding import Finding, Level, refusals, warnings
from rollout.decisions.plan import Plan
from rollout.decisions.preview import PlannedLine, upload_line
from rollout.domain import Step
from rollout.inventory import Inventory
from rollout.inventory.hooks import HOOKS
from rollout.inventory.model import PARALLEL, Prepare
from rollout.views.many import commands, folded, servers
from rollout.views.text import count, pace

_SPREAD = {"zones": ", spread over zones", "within": ", zone by zone"}


@dataclass(frozen=True, slots=True)
class PlanView:
    """A plan, the lines that will be sent for each node, by its name, and the findings."""

    inventory: Inventory
    plan: Plan
    lines: Mapping[str, Sequence[PlannedLine]]
    findings: Sequence[Finding]

    def text(self) -> Iterator[str]:
        """For people: the whole deployment in its order."""
        yield from self._head()
        yield from self._hooks("\n", "before_deploy")
        yield from self._prepared()
        for number, name in enumerate(self.plan.nodes, start=1):
            yield from self._node(number, name)
        if endings := [*self._hooks("", "on_failure", "after_deploy")]:
            yield ""
            yield from endings
        if problems := refusals(self.findings):
            yield f"\nthis deploy would be refused: {count(len(problems), 'problem')}, named at the top"

    def document(self) -> dict[str, Any]:
        """For programs."""
        inventory, plan, prepare = self.inventory, self.plan, self._prepare
        return {
            "service": plan.service,
            "release": plan.release,
            "window": plan.window,
            "canary": plan.canary,
            "waves": list(plan.waves),
            "spread": inventory.strategy.spread,
            "order": inventory.strategy.order,
            "skipped": dict(plan.skipped),
            "warnings": [*plan.warnings, *map(str, warnings(self.findings))],
            "notes": list(plan.notes),
            "refusals": [str(finding) for finding in refusals(self.findings)],
            "capacity": [dataclasses.asdict(capacity) for capacity in plan.capacity],
            "hooks": {name: hook.model_dump() for name in HOOKS if (hook := inventory.hooks.named(name))},
            Step.PREPARE.value: None if prepare is None else prepare.command,
            "nodes": [
                {
                    "name": name,
                    "zone": inventory.nodes[name].zone,
                    "servers": [
                        {"load_balancer": s.load_balancer, "backend": s.backend, "server": s.name}
                        for s in plan.placement[name]
                    ],
                    "sent": upload_line(inventory, plan.release, name),
                    "lines": [
                        {"step": line.step.value, "target": line.target, "line": line.text}
                        for line in self.lines[name]
                    ],
                }
                for name in plan.nodes
            ],
        }

    @property
    def _prepare(self) -> Prepare | None:
        """A rolling restart prepares nothing."""
        return self.inventory.prepare if self.plan.release is not None else None

    def _head(self) -> Iterator[str]:
        plan, strategy = self.plan, self.inventory.strategy
        canary = f", canary {', '.join(plan.nodes[: plan.canary])}" if plan.canary else ""
        sizes = f", in waves of {', '.join(map(str, plan.waves))}" if len(plan.waves) > 2 else ""
        spread = _SPREAD.get(strategy.spread or "", "")
        what = plan.release or "rolling restart"
        nodes = count(len(plan.nodes), "node")
        yield f"{plan.service} {what} → {nodes} · {pace(plan.window)}{spread}{canary}{sizes}"
        for name, reason in plan.skipped.items():
            yield f"skipped: {name}: {reason}"
        for warning in plan.warnings:
            yield f"warning: {warning}"
        for note in plan.notes:
            yield f"note: {note}"
        for finding in self.findings:
            word = "deploy would be refused" if finding.level is Level.PROBLEM else "warning"
            yield f"{word}: {finding}"
            if finding.hint and finding.level is Level.PROBLEM:
                yield f"  → {finding.hint}"
        yield from self._capacity()

    def _capacity(self) -> Iterator[str]:
        with_floor = self.inventory.strategy.min_ready is not None
        shown = (
            ((each.load_balancer, each.least, each.now, each.floor), each) for each in self.plan.capacity
        )
        for (balancer, least, now, floor), own in folded(shown):
            must = f", {floor} must" if with_floor else ""
            more = f" … {own[-1].backend} ({len(own)} backends)" if len(own) > 1 else ""
            yield f"{balancer} {own[0].backend}{more}: {least} of {now} servers stay ready{must}"

    def _prepared(self) -> Iterator[str]:
        prepare, release = self._prepare, self.plan.release
        uploads = [
            (name, line) for name in self.plan.nodes if (line := upload_line(self.inventory, release, name))
        ]
        if prepare is not None or uploads:
            parallel = prepare.parallel if prepare else PARALLEL
            yield f"\nbefore anything is drained, on {parallel} nodes at once:"
        for name, line in uploads:
            yield f"  prepare  {name} gets {line}, unless it has it"
        if prepare is not None:
            yield f"  prepare  $ {prepare.command.strip()}"

    def _node(self, number: int, name: str) -> Iterator[str]:
        node = self.inventory.nodes[name]
        own = servers(self.plan.placement[name]) or "no load balancer is listed"
        where = f"{node.host}, zone {node.zone}" if node.zone is not None else node.host
        yield f"\n{number}. {name} ({where}): {own}"
        yield from self._hooks("  ", "before_node")
        for line in self.lines[name]:
            prompt = "$" if line.target == name else f"{line.target}>"
            yield f"  {line.step:8} {prompt} {commands(line.text.strip())}"
        yield from self._hooks("  ", "after_node")

    def _hooks(self, indent: str, *names: str) -> Iterator[str]:
        for name in names:
            if hook := self.inventory.hooks.named(name):
                prompt = "$" if hook.on == "node" else f"{hook.on}>"
                yield f"{indent}{name:8} {prompt} {hook.command.strip()}"
