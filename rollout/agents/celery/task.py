"""A test task for one worker alone: it travels through a queue that only this worker is told to consume.

It is `celery.accumulate`, which every app has and which touches nothing. Its callback, sent by the process of
the pool that has executed it, comes back through a second queue, so that no result backend is needed.
"""

from __future__ import annotations

import socket
import uuid
from typing import Any, List

from rollout.agents.celery.worker import Worker, wait_for
from rollout.agents.common import deadline
from rollout.agents.common.deadline import Deadline
from rollout.agents.common.talk import still_heard

TASK = "celery.accumulate"
_EXCHANGE = "rollout"
_LOOK_AGAIN = 0.5


def require_queues_allowed(app: Any) -> None:
    """Make a queue like those of the test task, and delete it. Raises the broker's error."""
    _, back = _queues()
    with app.connection_for_write() as connection, connection.channel() as channel:
        back(channel).declare()
        back(channel).delete()


def executed(app: Any, worker: Worker, end: Deadline) -> bool:
    """Whether the task came back in time. No queue and no message of it is left."""
    there, back = _queues()
    with app.connection_for_write() as connection, connection.channel() as channel:
        try:
            back(channel).declare()
            worker.ask(
                "add_consumer",
                queue=there.name,
                exchange=_EXCHANGE,
                routing_key=there.routing_key,
                auto_delete=True,
            )
            if not wait_for(lambda: there.name in worker.consumed(), end):
                return False
            there(channel).declare()
            callback = app.signature(
                TASK, immutable=True, exchange=_EXCHANGE, routing_key=back.routing_key, ignore_result=True
            )
            app.send_task(
                TASK,
                args=(),
                exchange=there.exchange,
                routing_key=there.routing_key,
                link=callback,
                ignore_result=True,
                expires=max(1.0, end.left),
            )
            return _arrived(connection, channel, back, end)
        finally:
            worker.ask("cancel_consumer", queue=there.name)
            wait_for(lambda: there.name not in worker.consumed(), deadline.after(_LOOK_AGAIN))
            for queue in (there, back):
                queue(channel).delete()


def _queues() -> List[Any]:
    """The two queues: there, and back."""
    from kombu import Exchange, Queue

    exchange, name = Exchange(_EXCHANGE, auto_delete=True), f"rollout.{uuid.uuid4().hex}"
    return [Queue(f"{name}.{way}", exchange, f"{name}.{way}", auto_delete=True) for way in ("there", "back")]


def _arrived(connection: Any, channel: Any, queue: Any, end: Deadline) -> bool:
    arrived: List[Any] = []
    with connection.Consumer(queue, channel=channel, on_message=arrived.append, no_ack=True):
        while not arrived and not end.passed:
            still_heard()
            try:
                connection.drain_events(timeout=_LOOK_AGAIN)
            except socket.timeout:  # noqa: UP041 - the same only from Python 3.10 on
                continue
    return bool(arrived)
