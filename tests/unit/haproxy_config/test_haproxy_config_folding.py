"""What is said of many backends is said once."""

from __future__ import annotations

from rollout.haproxy_config import analyse

HEAD = "defaults\n  mode http\n  default-server check inter 500ms\n"


def backend(name: str, *lines: str) -> str:
    return "".join(f"{line}\n" for line in (f"backend {name}", *(f"  {line}" for line in lines)))


def test_many_backends_are_one_finding() -> None:
    """The first place, how many backends, the first three by name; the others are in the data."""
    text = HEAD + "".join(backend(f"b{n}", "server web1 10.0.0.1:80") for n in range(1, 1501))
    (found,) = analyse(text, "haproxy.cfg")
    assert found.message.endswith(" (in 1,500 backends: b1, b2, b3 and 1,497 more)")
    assert (found.line, found.backend) == (4, "b1")
    assert found.also == tuple((2 + 2 * n, f"b{n}") for n in range(2, 1501))


def test_servers_of_other_names_are_counted() -> None:
    """Where each backend has names of its own, the sum of them stands there."""
    text = HEAD.replace("check ", "") + "".join(
        backend(f"b{n}", f"server b{n}-1 10.0.0.1:80", f"server b{n}-2 10.0.0.2:80") for n in (1, 2)
    )
    found = next(found for found in analyse(text, "haproxy.cfg") if "without `check`" in found.message)
    assert found.message.startswith("4 servers without `check`: HAProxy sends requests there")
    assert found.message.endswith("(in 2 backends: b1, b2)")


def test_servers_of_the_same_names_are_named() -> None:
    """As they are in each backend."""
    text = HEAD.replace("check ", "") + "".join(backend(b, "server web1 10.0.0.1:80") for b in ("a", "b"))
    found = next(found for found in analyse(text, "haproxy.cfg") if "without `check`" in found.message)
    assert found.message.startswith("web1 without `check`:")


def test_what_costs_differently_is_said_apart() -> None:
    """Findings with other figures are other findings."""
    text = HEAD.replace("inter 500ms", "")
    text += backend("a", "server s 1.1.1.1:1 inter 3s") + backend("b", "server s 1.1.1.1:1 inter 4s")
    waits = [found.message for found in analyse(text, "f") if "with a check every" in found.message]
    assert [wait.partition(":")[0] for wait in waits] == [
        "s with a check every 3 s",
        "s with a check every 4 s",
    ]
