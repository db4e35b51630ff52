"""The CI job in which rollout runs, by the variables that CI systems set."""

from __future__ import annotations

from collections.abc import Mapping

_ADDRESSES = ("CI_JOB_URL", "BUILDKITE_BUILD_URL", "CIRCLE_BUILD_URL", "CI_PIPELINE_URL", "BUILD_URL")
"""GitLab, Buildkite, CircleCI, Woodpecker and Jenkins: each sets one of them to the address of the job."""


def job_address(environment: Mapping[str, str]) -> str:
    """The address of the job, for people who want to see its log; empty outside of a known CI system."""
    server, repository, run = (
        environment.get(f"GITHUB_{name}", "") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID")
    )
    if server and repository and run:
        return f"{server}/{repository}/actions/runs/{run}"
    return next((address for name in _ADDRESSES if (address := environment.get(name))), "")
