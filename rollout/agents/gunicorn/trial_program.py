"""The program of a gunicorn on trial: configured as the real one, but for what would touch that one."""

from __future__ import annotations

import json
from typing import Any, Dict

_PROGRAM = """
import json, logging, os, sys
import gunicorn
if {again!r}:
    sys.path[0] = os.path.dirname(gunicorn.__file__)
from gunicorn.app.wsgiapp import WSGIApplication
settings = json.loads({settings!r})


def nothing(server):
    pass


class Trial(WSGIApplication):
    def load_config(self):
        super().load_config()
        cfg = self.cfg
        before = {{"reload": cfg.on_reload, "rolling": nothing, "upgrade": cfg.when_ready}}[{mode!r}]

        def ready(server):
            before(server)
            found = {{
                "pid": os.getpid(),
                "port": server.LISTENERS[0].getsockname()[1],
                "tls": bool(cfg.is_ssl),
                "page": getattr(cfg.post_worker_init, "page", None),
            }}
            with open({address!r} + ".new", "w") as file:
                json.dump(found, file)
            os.rename({address!r} + ".new", {address!r})

        for name, value in settings.items():
            if name in cfg.settings:
                cfg.set(name, value)
        if {mode!r} != "upgrade":
            cfg.set("on_starting", nothing)
        cfg.set("on_exit", nothing)
        cfg.set("when_ready", ready)
        if any(getattr(cfg, name, None) for name in ("logconfig", "logconfig_dict", "logconfig_json")):
            cfg.set("logger_class", heard(cfg.logger_class))


def heard(logger):
    # gunicorn's log as it is configured, and to standard error as well.
    class Heard(logger):
        def setup(self, cfg):
            super().setup(cfg)
            self.error_log.addHandler(logging.StreamHandler())

    return Heard


Trial("%(prog)s [OPTIONS] [APP_MODULE]").run()
"""


def trial_program(mode: str, as_module: bool, pidfile: str, address: str) -> str:
    """The program's text. Once it listens, it writes to the file `address` where, and what to ask.

    A master runs different hooks in each `mode` of a restart: `on_starting` and `when_ready` if it is a new
    one, `on_reload` at HUP, and none of these if only its workers change. A new master of one that was
    started `as_module` begins in the folder of gunicorn, whose modules may hide others, such as `http`.
    """
    settings: Dict[str, Any] = {
        "accesslog": None,
        "bind": "127.0.0.1:0",
        "cert_reqs": 0,
        "check_config": False,
        "control_socket_disable": True,
        "daemon": False,
        "errorlog": "-",
        "http2_cleartext": "off",
        "max_requests": 0,
        "pidfile": pidfile,
        "print_config": False,
        "proc_name": "rollout-trial",
        "protocol": "http",
        "proxy_protocol": False,
        "reuse_port": False,
        "statsd_host": None,
        "syslog": False,
        "workers": 1,
    }
    again = as_module and mode == "upgrade"
    return _PROGRAM.format(settings=json.dumps(settings), mode=mode, again=again, address=address)
