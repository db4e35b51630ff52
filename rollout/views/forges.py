"""What GitHub and GitLab are told of a deployment, as requests to their APIs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from rollout.decisions.progress import Progress
from rollout.domain import Outcome
from rollout.views.ending import ending
from rollout.views.text import headline

_LONGEST = 140
"""Characters of a description that GitHub takes."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request with a body of JSON."""

    method: str
    url: str
    body: Mapping[str, Any]


class Forge(Protocol):
    """A system that lists deployments by environment. Its job gave a token."""

    @property
    def name(self) -> str: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    def create(self, progress: Progress) -> Call:
        """The request that makes its deployment; the answer has the `id`."""
        ...

    def began(self, number: int, progress: Progress) -> Call | None:
        """The request that says that its deployment runs; `None` if `create` has said so."""
        ...

    def ended(self, number: int, progress: Progress) -> Call:
        """The request that says how its deployment ended."""
        ...


@dataclass(frozen=True, slots=True)
class GitHub:
    """GitHub's Deployments."""

    token: str
    environment: str
    repository: str
    ref: str
    api: str
    log: str
    """The page of the run; empty if it is not known."""
    name: str = "GitHub"

    @property
    def headers(self) -> Mapping[str, str]:
        return {
            "Authorization": f"Bearer {self.token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
            "User-Agent": "rollout",
        }

    def create(self, progress: Progress) -> Call:
        body = {
            "ref": self.ref,
            "environment": self.environment,
            "description": headline(progress)[:_LONGEST],
            "auto_merge": False,
            "required_contexts": [],  # the job itself is one of those, and has not ended yet
        }
        return Call("POST", self._url(), body)

    def began(self, number: int, progress: Progress) -> Call | None:
        return self._status(number, "in_progress", headline(progress))

    def ended(self, number: int, progress: Progress) -> Call:
        state = {Outcome.DONE: "success", Outcome.FAILED: "failure"}.get(
            progress.outcome or Outcome.INTERRUPTED, "error"
        )
        return self._status(number, state, ending(progress)[0])

    def _status(self, number: int, state: str, description: str) -> Call:
        body = {"state": state, "environment": self.environment, "description": description[:_LONGEST]}
        page = {"log_url": self.log} if self.log else {}
        return Call("POST", f"{self._url()}/{number}/statuses", body | page)

    def _url(self) -> str:
        return f"{self.api}/repos/{self.repository}/deployments"


@dataclass(frozen=True, slots=True)
class GitLab:
    """The deployments of GitLab's environments."""

    token: str
    is_job_token: bool
    environment: str
    project: str
    sha: str
    ref: str
    is_tag: bool
    api: str
    name: str = "GitLab"

    @property
    def headers(self) -> Mapping[str, str]:
        return {"JOB-TOKEN" if self.is_job_token else "PRIVATE-TOKEN": self.token, "User-Agent": "rollout"}

    def create(self, progress: Progress) -> Call:
        body = {
            "environment": self.environment,
            "sha": self.sha,
            "ref": self.ref,
            "tag": self.is_tag,
            "status": "running",
        }
        return Call("POST", self._url(), body)

    def began(self, number: int, progress: Progress) -> Call | None:
        return None

    def ended(self, number: int, progress: Progress) -> Call:
        status = {Outcome.DONE: "success", Outcome.FAILED: "failed"}.get(
            progress.outcome or Outcome.INTERRUPTED, "canceled"
        )
        return Call("PUT", f"{self._url()}/{number}", {"status": status})

    def _url(self) -> str:
        return f"{self.api}/projects/{self.project}/deployments"


def forge_of(environment: Mapping[str, str], name: str, job: str) -> Forge | str:
    """The system in whose job this process runs, with the `name` of the environment that is deployed to; or
    why there is none. `job` is the address of the job."""
    if environment.get("GITHUB_ACTIONS") == "true":
        needed = ("GITHUB_TOKEN", "GITHUB_REPOSITORY", "GITHUB_SHA")
        if missing := [one for one in needed if not environment.get(one)]:
            return f"GitHub is not told of it: {missing[0]} is not set"
        is_tag = environment.get("GITHUB_REF_TYPE") == "tag"
        return GitHub(
            token=environment["GITHUB_TOKEN"],
            environment=name,
            repository=environment["GITHUB_REPOSITORY"],
            ref=(environment.get("GITHUB_REF_NAME") if is_tag else None) or environment["GITHUB_SHA"],
            api=environment.get("GITHUB_API_URL", "https://api.github.com"),
            log=job,
        )
    if environment.get("GITLAB_CI") == "true":
        own = environment.get("GITLAB_TOKEN")
        token = own or environment.get("CI_JOB_TOKEN")
        if not token:
            return "GitLab is not told of it: neither GITLAB_TOKEN nor CI_JOB_TOKEN is set"
        needed = ("CI_API_V4_URL", "CI_PROJECT_ID", "CI_COMMIT_SHA")
        if missing := [one for one in needed if not environment.get(one)]:
            return f"GitLab is not told of it: {missing[0]} is not set"
        return GitLab(
            token=token,
            is_job_token=not own,
            environment=name,
            project=environment["CI_PROJECT_ID"],
            sha=environment["CI_COMMIT_SHA"],
            ref=environment.get("CI_COMMIT_REF_NAME") or environment["CI_COMMIT_SHA"],
            is_tag=bool(environment.get("CI_COMMIT_TAG")),
            api=environment["CI_API_V4_URL"],
        )
    return "nobody is told of it: this is no job of GitHub Actions or GitLab CI"


TOKENS = ("GITHUB_TOKEN", "GITLAB_TOKEN", "CI_JOB_TOKEN")
"""The variables whose values are never shown."""
