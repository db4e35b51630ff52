"""The address of the CI job in which rollout runs."""

from __future__ import annotations

import pytest

from rollout.cli.ci_job import job_address


@pytest.mark.parametrize(
    ("environment", "address"),
    [
        ({}, ""),
        ({"GITHUB_SERVER_URL": "https://github.com", "GITHUB_RUN_ID": "7"}, ""),
        (
            {
                "GITHUB_SERVER_URL": "https://github.com",
                "GITHUB_REPOSITORY": "shop/web",
                "GITHUB_RUN_ID": "7",
            },
            "https://github.com/shop/web/actions/runs/7",
        ),
        ({"CI_JOB_URL": "https://gitlab.example/shop/-/jobs/7"}, "https://gitlab.example/shop/-/jobs/7"),
        ({"BUILD_URL": "https://jenkins.example/job/7/"}, "https://jenkins.example/job/7/"),
    ],
)
def test_the_address_of_the_job(environment: dict[str, str], address: str) -> None:
    """Each CI system says it in its own way; half of what one says is no address."""
    assert job_address(environment) == address
