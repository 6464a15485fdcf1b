"""What do the examples that use HTTP have in common?"""

import argparse
from contextlib import suppress

import httpx2


def web_address(text: str) -> str:
    """Read an http or https URL from the command line."""
    with suppress(httpx2.InvalidURL):
        url = httpx2.URL(text)
        if url.scheme in {"http", "https"} and url.host:
            return text
    raise argparse.ArgumentTypeError(f"must be an http or https URL, not {text!r}")


def new_client(*, local: bool, timeout: float = 10) -> httpx2.AsyncClient:
    """Return a client that opens as many connections as it is asked for.

    How many requests run at once is up to `limit`, not to the client. There is no
    proxy if the server is a *local* one, on the loopback interface.
    """
    return httpx2.AsyncClient(
        follow_redirects=True,
        headers={"User-Agent": "aiterkit-example"},
        limits=httpx2.Limits(),
        timeout=timeout,
        trust_env=not local,
    )


def may_pass(error: Exception) -> bool:
    """Say whether a request that failed so may succeed if it is tried again."""
    if isinstance(error, httpx2.HTTPStatusError):
        response = error.response
        return response.is_server_error or response.status_code == 429  # noqa: PLR2004  # too many requests
    return isinstance(error, httpx2.TransportError)


def status_of(error: Exception) -> int | None:
    """Return the status of the response, if there was one."""
    if isinstance(error, httpx2.HTTPStatusError):
        return error.response.status_code
    return None


def describe(error: Exception) -> str:
    """Say in a few words why a request failed."""
    if isinstance(error, httpx2.HTTPStatusError):
        return f"{error.response.status_code} {error.response.reason_phrase}"
    return str(error) or type(error).__name__
