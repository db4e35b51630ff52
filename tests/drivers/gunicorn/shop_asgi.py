"""The application under test as ASGI, within another: the file `release` says what its lifespan does."""

import asyncio
import os
from pathlib import Path

folder = Path(__file__).parent
words = (folder / "release").read_text().split()


def note(event):
    """In the order in which things happen in all workers."""
    if "ROLLOUT_TRIAL" not in os.environ:
        with (folder / "events").open("a") as events:
            events.write(f"{event}\n")


async def shop(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        if "slow" in words:
            await asyncio.sleep(1)
        if "refuses" in words:
            await send({"type": "lifespan.startup.failed", "message": "there is no table words"})
            return
        await send({"type": "lifespan.startup.complete"})
        note("up")
        await receive()
        note("down")
        await send({"type": "lifespan.shutdown.complete"})
        return
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"1")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": words[0].encode()})


class Timing:
    """A middleware as people write them."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        await self.app(scope, receive, send)


application = Timing(shop)
