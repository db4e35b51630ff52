"""Words of other tools, and the verbs and options that they stand for here."""

from __future__ import annotations

_VERBS = {
    "deploy": "restart release update upgrade roll rollout push apply run start ship launch put install go",
    "status": "ls list ps state info nodes get top stat st",
    "status --watch": "watch follow tail monitor",
    "plan": "dry-run dryrun diff preview simulate noop whatif",
    "check": "validate verify lint test doctor preflight ping",
    "drain": "disable maint maintenance out remove depool cordon offline",
    "ready": "enable undrain in add repool pool uncordon online",
    "resume": "continue retry rerun redo",
    "restore": "repair fix heal recover reset",
    "rollback": "undo revert back downgrade roll-back",
    "promote": "unpause approve confirm proceed",
    "halt": "stop abort cancel pause kill interrupt freeze",
    "lock": "locks who",
    "lock --break": "unlock force-unlock break steal",
    "history": "events deployments past releases runs",
    "show": "log logs describe inspect details",
    "why": "explain reason cause diagnose",
    "report": "summary export html",
    "init": "new create setup config configure example",
    "completion": "completions complete autocomplete",
    "man": "manual manpage",
    "lab demo": "demo try",
}
VERBS = {word: line.split() for line, words in _VERBS.items() for word in words.split()}
"""The words that stand for a word in place of a verb."""

ACTIONS = {"start": "up", "create": "up", "run": "demo", "stop": "down", "rm": "down", "destroy": "down"}
"""The actions of the lab, by other words."""

_OPTIONS = {
    "--release": "-r --rel --tag -t --image --ref --rev --revision --sha --commit --to --version --target"
    " --to-revision --to-release --build --package",
    "--to": "-r --release --to-release --to-revision --to-version --version --target --rev --revision --tag",
    "--limit": "-l --node --nodes --host --hosts --only --server --servers --target --targets --subset",
    "--inventory": "-c --config -f --file --inv --inventory-file -I --conf",
    "--output": "-o --format --out",
    "--yes": "-Y --assume-yes --no-confirm --noconfirm --non-interactive --auto-approve --yes-really",
    "--watch": "-w -f --follow --live",
    "--wait": "--lock-timeout --lock-wait",
    "--break": "--force --unlock --steal -f",
    "--last": "-n --lines --number --count --max",
    "--printed": "--logs --log --show --print --deployment --id",
    "--verbose": "-d --debug --trace -vv --chatty",
    "--quiet": "-s --silent",
    "--help": "-? -help --usage",
    "--allow-outage": "--ignore-capacity --no-capacity --skip-capacity --skip-capacity-check",
    "--include-out-of-rotation": "--include-drained --include-maintenance --all",
}


def stand_for(option: str) -> list[str]:
    """The options for which another tool's option may stand."""
    return [ours for ours, theirs in _OPTIONS.items() if option in theirs.split()]


DRY_RUN = {"--dry-run", "--dryrun", "--check", "--diff", "--noop", "--no-op", "--simulate", "--what-if", "-n"}
"""The options that elsewhere show what would be done."""
FORCE = {"--force", "-f", "--ignore", "--skip-checks", "--no-checks", "--unsafe"}
"""The options that elsewhere skip all checks."""
