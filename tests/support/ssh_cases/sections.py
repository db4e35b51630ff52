"""Which section of which file speaks about the host."""

from __future__ import annotations

from tests.support.ssh_cases.case import WHERE, Case

CASES = [
    Case("alias", "Host web1\n  HostName {NODE}\n  Port {PORT}\n", bare=True),
    Case("first value wins", "Host web*\n  HostName {NODE}\n  Port {PORT}\nHost web1\n  Port 1\n", bare=True),
    Case("negated pattern", "Host web* !web1\n  Port 1\n"),
    Case("several patterns", "Host db? *1\n  HostName {NODE}\nHost *\n  Port {PORT}\n", bare=True),
    Case("equals signs", "Host=web1\n  HostName = {NODE}\n  Port={PORT}\n", bare=True),
    Case("comments", "# one\nHost web1 # two\n  HostName {NODE} # three\n  Port {PORT} # four\n", bare=True),
    Case("quotes", 'Host "web1"\n  HostName "{NODE}"\n  Port "{PORT}"\n', bare=True),
    Case("case and tabs", "hOST\tweb1\n\thostname\t{NODE}\n\tPORT\t{PORT}\n", bare=True),
    Case("user of the file", "Host web1\n  User stranger\n"),
    Case("user with a comment", "Host web1\n  User stranger # old\n"),
    Case("user of the inventory", "User stranger\n", target={"user": "{USER}"}),
    Case("port of the inventory", "Host web1\n  Port 1\n", target={"port": "{PORT}"}),
    Case("host name with token", "Host 21\n  HostName 127.0.0.%h\n", host="21"),
    Case("match host", "Match host web1\n  HostName {NODE}\n  Port {PORT}\n", bare=True),
    Case("match host=", "Match host=web1\n  HostName {NODE}\n  Port {PORT}\n", bare=True),
    Case(
        "match after HostName", "Host web1\n  HostName {NODE}\nMatch host {NODE}\n  Port {PORT}\n", bare=True
    ),
    Case("match originalhost", "HostName {NODE}\nMatch originalhost web1\n  Port {PORT}\n", bare=True),
    Case("match user", "Match user {USER}\n  Port 1\n", target={"user": "{USER}"}),
    Case(
        "match localuser",
        "Match localuser {USER} host web1\n  Port {PORT}\nHost *\n  HostName {NODE}\n",
        bare=True,
    ),
    Case("match not", "Match !host web1\n  Port 1\n"),
    Case(
        "match exec",
        'Match exec "test %h = web1 && test %r = {USER}"\n  Port {PORT}\nHost *\n  HostName {NODE}\n',
        bare=True,
    ),
    Case("match exec not", 'Match !exec "false"\n  Port {PORT}\nHost *\n  HostName {NODE}\n', bare=True),
    Case("match final all", "Match final all\n  Port {PORT}\nHost *\n  HostName {NODE}\n", bare=True),
    Case("match final", "Host web1\n  HostName {NODE}\nMatch final host {NODE}\n  Port {PORT}\n", bare=True),
    Case("include", "Include more\n", files={".ssh/more": WHERE}, bare=True),
    Case("include pattern", "Include ~/.ssh/conf.d/*.conf\n", files={".ssh/conf.d/a.conf": WHERE}, bare=True),
    Case(
        "include in a section",
        "Host db1\n  Include db\nHost web1\n  Include web\n",
        files={".ssh/db": "Host *\n  Port 1\n", ".ssh/web": "Host web*\n  Port {PORT}\n  HostName {NODE}\n"},
        bare=True,
    ),
    Case(
        "unknown option",
        "Nonsense yes\n",
        refused=r"\.ssh/config: line 1: Bad configuration option: nonsense",
    ),
    Case("unknown option ignored", "IgnoreUnknown UseKeychain\nUseKeychain yes\n"),
]
