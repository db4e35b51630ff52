"""How a node leaves rotation and comes back: by HAProxy's socket, by its health page, or not at all.

`protocol.py` says what each of the three does. By the socket:

- `by_socket.py`: all load balancers of one node, and its own connections where old processes may have some
- `on_one_balancer.py`: one node on one load balancer: what is done when, and told again after a reload
- `leaving.py`, `returning.py`, `warming.py`: a drain, the way back, and the warm-up, command by command
- `node_servers.py`: what HAProxy shows of the servers and is sent; the words are `remote/runtime.py`'s
- `ledger.py`: how the servers were before, what rollout set since, and so what others changed
"""
