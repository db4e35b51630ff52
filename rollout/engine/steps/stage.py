"""The stages of a node's roll, and what the roll does if it ends early in each."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, IntEnum, auto


class Stage(IntEnum):
    """The stages of a node, in the order of the roll.

    `LEAVING`, `RELEASED` and `RESTARTED` are reached before their first command is sent: if its answer gets
    lost, it may have worked. `DRAINED`, `ENTERED` and `RETURNED` are reached once they are proven.
    """

    IN_ROTATION = auto()
    """The node serves as it did before the roll."""
    LEFT_OUT = auto()
    """The node is out since an earlier try left it out; this roll has sent nothing yet."""
    LEAVING = auto()
    """The node is leaving rotation, or finishes its last requests. Its application is untouched."""
    DRAINED = auto()
    """Nothing runs on the node. Its application is untouched."""
    RELEASED = auto()
    """The release on disk may be another one. The application was not restarted."""
    REFUSED = auto()
    """The application refused the release and was not restarted; the release before is on disk again."""
    RESTARTED = auto()
    """The application may be another one, or not run at all. After an earlier try, nobody knows."""
    ENTERED = auto()
    """The node is proven and takes requests again, perhaps with less than its share of the traffic."""
    RETURNED = auto()
    """The node takes its whole share again, or others keep it out: either way this roll does not."""
    REJECTED = auto()
    """The node returned and was judged bad: it is to leave again."""

    @property
    def may_be_out(self) -> bool:
        """Whether the node may be out of rotation because of a deployment."""
        return self not in (Stage.IN_ROTATION, Stage.RETURNED)


class Ending(Enum):
    """The handling of a node whose roll ends early, by a failure or an interruption."""

    LEAVE_AS_IT_IS = auto()
    """Send nothing."""
    GIVE_BACK = auto()
    """Put the node back as it was; where that is impossible, the step fails for both reasons."""
    GIVE_BACK_OR_STAY_OUT = auto()
    """Put the node back with its whole share of the traffic; where that is impossible, it stays out."""
    GIVE_BACK_IF_UNCHANGED = auto()
    """After an interruption: put the node back if its application is proven to be as healthy as before. After
    a failure, or without that proof, it stays out."""
    GIVE_BACK_IF_HEALTHY = auto()
    """Put the node back if its application is proven to be as healthy as before; without that proof, it stays
    out."""
    STAY_OUT = auto()
    """See to it that no load balancer sends requests to the node."""
    TAKE_OUT_IF_BAD = auto()
    """Take the node out again if its release was judged bad; after any other failure it keeps serving."""


ENDINGS: Mapping[Stage, Ending] = {
    Stage.IN_ROTATION: Ending.LEAVE_AS_IT_IS,
    Stage.LEFT_OUT: Ending.LEAVE_AS_IT_IS,
    Stage.LEAVING: Ending.GIVE_BACK,
    Stage.DRAINED: Ending.GIVE_BACK_OR_STAY_OUT,
    Stage.RELEASED: Ending.GIVE_BACK_IF_UNCHANGED,
    Stage.REFUSED: Ending.GIVE_BACK_IF_HEALTHY,
    Stage.RESTARTED: Ending.STAY_OUT,
    Stage.ENTERED: Ending.GIVE_BACK_OR_STAY_OUT,
    Stage.RETURNED: Ending.TAKE_OUT_IF_BAD,
    Stage.REJECTED: Ending.LEAVE_AS_IT_IS,
}
"""The handling of a roll that ends early, by the stage that the node has reached. A node goes back only if
its application is known to work: because nothing touched it, or because it was proven."""
