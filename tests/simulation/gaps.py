"""What the engine does not promise yet. The simulation looks away there; a gap that is closed is deleted."""

from __future__ import annotations

import math

RELOAD_NOTICED = math.inf
"""Seconds after which a reload while a node is out must have been put right."""
OLD_PROCESSES_SEEN = False
"""Whether sessions of an old process are waited for before a node is restarted."""
PINNED_MOVED_UNHURT = False
"""Whether maintenance spares the request of a pinned client that came after the last look, where
`on-marked-down shutdown-sessions` ends it."""
GATE_LOOKS_AGAIN = False
"""Whether a node at the gate looks again when another one came back while it looked, instead of failing."""
HOLDING_SPARES_REQUESTS = False
"""Whether a node that is back already, since it failed when it was partly so, or after a reload, or since an
earlier process had taken it out by halves, is taken out again without ending what runs on it, where
`on-marked-down shutdown-sessions` does that."""
OPERATORS_HONOURED = False
"""Whether a server that an operator takes out, or puts back, during the deployment is left as it is."""
LEFT_OUT_ARE_OUT = False
"""Whether a node that was left out by its page counts as out before the load balancer shows it."""
PROOF_IS_FRESH = False
"""Whether a node that died after one of its proofs and before the last is not let in."""
THOSE_NOT_LEFT_OUT_ARE_IN = False
"""Whether a node that failed, and was not left out as the journal says, really is in rotation. It is not when
`prepare` fails on a node that was left out before, nor when a server of it is taken for changed by others, as
the guard's answer to a reload can be."""
GIVING_BACK_PROVES = False
"""Whether a node that died by itself while it was held is proven before it is given back: out of maintenance
it is UP at once."""
