"""How often did stamina retry?"""

from collections import Counter

from stamina.instrumentation import RetryDetails, set_on_retry_hooks


def count_retries() -> Counter[object]:
    """Return a count of retries by request, which grows from now on.

    It takes the place of stamina's own hook, which logs each retry.
    """
    retries = Counter[object]()

    def count(details: RetryDetails) -> None:
        retries[details.args] += 1

    set_on_retry_hooks([count])
    return retries
