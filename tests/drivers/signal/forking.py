"""A parent whose children do nothing: SIGHUP replaces them, new ones first; SIGUSR2 replaces the parent.

usage: forking.py PIDFILE

Beside the pidfile lies the release, a word. A child that ends is replaced by one of the release.

weak: the children end after two seconds
unfit: SIGHUP is not heeded, and a parent that must start such a child ends
frail: a parent that has replaced another ends after two seconds
helped: another program is a child, too, and stays on SIGHUP
lame: one of the children does not end on SIGTERM
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

pidfile = Path(sys.argv[1])


def release() -> str:
    file = pidfile.with_suffix(".release")
    return file.read_text() if file.exists() else ""


def fork(seconds: float, *, lame: bool = False) -> int:
    child = os.fork()
    if child == 0:
        for number in (signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN if lame else signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, set())
        time.sleep(seconds)
        os._exit(0)
    return child


def lifetime() -> float:
    return 2.0 if release() == "weak" else 120.0


if release() == "frail" and "REPLACES" in os.environ:
    signal.alarm(2)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGUSR2, signal.SIGTERM, signal.SIGCHLD})
if release() == "helped":
    subprocess.Popen(["sleep", "120"])
children = {fork(120, lame=release() == "lame" and not number) for number in range(3)}
pidfile.write_text(str(os.getpid()))
while True:
    number = signal.sigwait({signal.SIGHUP, signal.SIGUSR2, signal.SIGTERM, signal.SIGCHLD})
    if number == signal.SIGCHLD:
        with contextlib.suppress(ChildProcessError):
            while (gone := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                children -= {gone}
        if len(children) < 3 and release() == "unfit":
            sys.exit(1)
        while len(children) < 3:
            time.sleep(0.05)
            children |= {fork(lifetime())}
        continue
    if number == signal.SIGHUP and release() == "unfit":
        continue
    if number == signal.SIGUSR2:
        environment = {**os.environ, "REPLACES": str(os.getpid())}
        subprocess.Popen([sys.executable, *sys.argv], start_new_session=True, env=environment)
    old = set(children)
    if number == signal.SIGHUP:
        children |= {fork(lifetime()) for _ in range(3)}
    for child in old:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGTERM)
    if number != signal.SIGHUP:
        sys.exit()
