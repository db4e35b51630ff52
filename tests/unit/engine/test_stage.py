"""The stages of a node, and what is done to it if its roll ends early."""

from __future__ import annotations

from rollout.engine.steps.stage import ENDINGS, Ending, Stage

GIVES_BACK = {Ending.GIVE_BACK, Ending.GIVE_BACK_OR_STAY_OUT}


def test_each_stage_has_an_ending() -> None:
    assert list(ENDINGS) == list(Stage)


def test_a_node_goes_back_unproven_only_while_its_application_is_untouched() -> None:
    """`ENTERED` comes after the proof."""
    gives_back = {stage for stage, ending in ENDINGS.items() if ending in GIVES_BACK}
    assert gives_back == {Stage.LEAVING, Stage.DRAINED, Stage.ENTERED}


def test_a_node_whose_application_was_restarted_stays_out_until_it_is_proven() -> None:
    assert ENDINGS[Stage.RESTARTED] is Ending.STAY_OUT


def test_a_node_is_out_from_its_leaving_to_its_return() -> None:
    """One that an earlier try left out is so from the beginning."""
    in_rotation = {stage for stage in Stage if not stage.may_be_out}
    assert in_rotation == {Stage.IN_ROTATION, Stage.RETURNED}
