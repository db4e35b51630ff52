"""The application itself: what a release changes."""


def work(job: bytes) -> bytes:
    return job[::-1]
