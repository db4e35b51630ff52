"""Findings that differ in one name are said once."""

from __future__ import annotations

from rollout.decisions.alike import first_of, once
from rollout.decisions.finding import Finding, Level


def finding(server: str, node: str = "web1", balancer: str = "lb1") -> Finding:
    return Finding(Level.WARNING, node, f"{server} on {balancer} is ill", f"heal {server}")


def test_the_first_is_shown_and_the_others_are_named() -> None:
    """Three others by name; `also` has all of them, and the hint says that it is for each."""
    names = ["a/web1", "b/web1", "c/web1", "d/web1", "e/web1"]
    (found,) = once((name, finding(name)) for name in names)
    assert found.text == "a/web1 on lb1 is ill (also b/web1, c/web1, d/web1 and 1 more)"
    assert found.hint == "heal a/web1; the same for the others"
    assert found.also == tuple(names[1:])


def test_a_single_one_is_left_as_it_is() -> None:
    """Nothing is added to a finding that has no like."""
    assert once([("a/web1", finding("a/web1"))]) == [finding("a/web1")]


def test_other_differences_keep_findings_apart() -> None:
    """Another node, another load balancer and another level are other findings, in their order."""
    pairs = [
        ("a/web1", finding("a/web1")),
        ("a/web2", finding("a/web2", node="web2")),
        ("a/web1", finding("a/web1", balancer="lb2")),
    ]
    assert once(pairs) == [each for _, each in pairs]


def test_many_names_are_counted() -> None:
    """Hundreds of servers are three names and a number."""
    assert first_of(["a", "b", "c"]) == "a, b, c"
    assert first_of([str(number) for number in range(2000)]) == "0, 1, 2 and 1,997 more"
