"""A parent whose children do nothing: SIGHUP replaces them, new ones first; SIGUSR2 replaces the parent.

usage: forking.py PIDFILE [broken | frail | helped | lame]

broken: the children that come after SIGHUP end at once
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

pidfile, *words = sys.argv[1:]
broken = "broken" in words
if "frail" in words and "REPLACES" in os.environ:
    signal.alarm(2)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGUSR2, signal.SIGTERM, signal.SIGCHLD})


def fork(seconds: float, *, lame: bool = False) -> int:
    child = os.fork()
    if child == 0:
        for number in (signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN if lame else signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, set())
        time.sleep(seconds)
        os._exit(0)
    return child


if "helped" in words:
    subprocess.Popen(["sleep", "120"])
children = {fork(120, lame="lame" in words and not number) for number in range(3)}
with open(pidfile, "w") as file:
    file.write(str(os.getpid()))
lifetime = 0.0 if broken else 120.0
while True:
    number = signal.sigwait({signal.SIGHUP, signal.SIGUSR2, signal.SIGTERM, signal.SIGCHLD})
    if number == signal.SIGCHLD:
        with contextlib.suppress(ChildProcessError):
            while (gone := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                children -= {gone}
                if broken and len(children) < 3:
                    time.sleep(0.05)
                    children |= {fork(lifetime)}
        continue
    if number == signal.SIGUSR2:
        environment = {**os.environ, "REPLACES": str(os.getpid())}
        subprocess.Popen([sys.executable, *sys.argv], start_new_session=True, env=environment)
    old = set(children)
    if number == signal.SIGHUP:
        children |= {fork(lifetime) for _ in range(3)}
    for child in old:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGTERM)
    if number != signal.SIGHUP:
        sys.exit()
