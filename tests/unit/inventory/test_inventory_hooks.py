"""`hooks:` and `notify:`, as an inventory writes them."""

from __future__ import annotations

import pytest
from inventory_support import Compose, Loads, Mistakes

from rollout.inventory.hooks import HOOKS, NodeHook


def test_a_line_is_enough(loads: Loads, compose: Compose) -> None:
    """It runs here, and has a minute."""
    inventory = loads(compose(hooks="{before_deploy: ./may-we.sh, after_node: {command: x, on: node}}"))
    assert inventory.hooks.named("before_deploy") == NodeHook(command="./may-we.sh", timeout="1m")
    assert inventory.hooks.named("after_node").on == "node"
    assert [name for name in HOOKS if inventory.hooks.named(name)] == ["before_deploy", "after_node"]


def test_variables_are_left_to_the_shell(loads: Loads, compose: Compose) -> None:
    """As in every other shell line: nothing is pasted in, and the names are known."""
    inventory = loads(compose(hooks='{on_failure: "tell ${TOKEN} ${ROLLOUT_REASON}"}'), {"TOKEN": "hunter2"})
    assert inventory.hooks.named("on_failure").command == "tell ${TOKEN} ${ROLLOUT_REASON}"
    assert inventory.variables == {"TOKEN": "hunter2"}


def test_no_hook_and_nobody_to_notify(loads: Loads, compose: Compose) -> None:
    """Both may be left out."""
    inventory = loads(compose())
    assert not any(inventory.hooks.named(name) for name in HOOKS)
    assert inventory.notify is None


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"hooks": "{before_deplo: x}"}, ":9: hooks.before_deplo: unknown key; did you mean before_deploy?"),
        ({"hooks": "{after_node: {comand: x}}"}, ":22: hooks.after_node.comand: unknown key; did you mean"),
        (
            {"hooks": "{before_deploy: {command: x, on: node}}"},
            ":41: hooks.before_deploy.on: found 'node', expected here",
        ),
        (
            {"hooks": "{before_node: {command: x, on: there}}"},
            ":39: hooks.before_node.on: found 'there', expected here or node; did you mean here?",
        ),
        ({"hooks": "{on_failure: ''}"}, ":21: hooks.on_failure: found '', expected some text"),
        ({"hooks": "{on_failure: [x]}"}, ":21: hooks.on_failure: found a list, expected a mapping with"),
        ({"hooks": "{on_failure: {timeout: 0}}"}, ":9: hooks.on_failure.command: missing"),
        ({"hooks": "{after_deploy: '${X}'}"}, ":23: hooks.after_deploy: environment variable X is not set"),
        ({"notify": "{}"}, ":1: notify: expected webhook or slack"),
        ({"notify": "{slack: null}"}, ":1: notify: expected webhook or slack"),
        ({"notify": "{webhok: 'https://a/'}"}, ":10: notify.webhok: unknown key; did you mean webhook?"),
        ({"notify": "https://a/"}, ":9: notify: found 'https://a/', expected a mapping"),
        (
            {"notify": "{slack: hooks.slack.com/x}"},
            ":17: notify.slack: found 'hooks.slack.com/x', expected a URL such as https://ci.example.com/hook",
        ),
    ],
)
def test_mistakes(mistakes: Mistakes, compose: Compose, sections: dict[str, str], told: str) -> None:
    """Each with its line, its key, and what was expected."""
    found, *_ = mistakes(compose(**sections))
    assert found.startswith(f"prod.yml:5{told}")


def test_the_line_is_there_once(mistakes: Mistakes, compose: Compose) -> None:
    """What is given wrongly is not also missing."""
    assert len(mistakes(compose(notify="{webhok: 'https://a/'}"))) == 1
