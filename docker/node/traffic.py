"""Steady requests through both load balancers, once both serve; says every few seconds what became of them.

A client that one load balancer does not answer asks the other one, as users of two addresses do.
usage: traffic.py ADDRESS...
"""

import asyncio
import collections
import itertools
import sys
import time

RATE = 20.0
TIMEOUT = 5.0
TELL = 5.0


async def get(address):
    reader, writer = await asyncio.open_connection(address, 80)
    try:
        writer.write(b"GET / HTTP/1.0\r\nHost: shop\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        return head.split()[1].decode(), body.split()[1].decode() if head.split()[1] == b"200" else ""
    finally:
        writer.close()


async def ask(first, addresses, seen):
    for address in [first, *(other for other in addresses if other != first)]:
        try:
            status, release = await asyncio.wait_for(get(address), TIMEOUT)
        except (TimeoutError, OSError, EOFError, IndexError):
            continue
        seen[f"release {release}" if status == "200" else f"LOST: status {status}"] += 1
        return
    seen["LOST: no answer"] += 1


async def served(address):
    seen = collections.Counter()
    while not any(what.startswith("release") for what in seen):
        await asyncio.sleep(0.2)
        await ask(address, [address], seen)


async def main(addresses):
    await asyncio.gather(*map(served, addresses))
    seen = collections.Counter()
    tasks = set()
    begin = told = time.monotonic()
    for number, address in zip(itertools.count(), itertools.cycle(addresses)):
        await asyncio.sleep(max(0.0, begin + number / RATE - time.monotonic()))
        task = asyncio.create_task(ask(address, addresses, seen))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        if time.monotonic() - told > TELL:
            told = time.monotonic()
            print(" · ".join(f"{what} {count}" for what, count in sorted(seen.items())), flush=True)


asyncio.run(main(sys.argv[1:]))
