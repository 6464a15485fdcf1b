"""The cases that Hypothesis draws for the laws of comprehension."""

from hypothesis import strategies as st

from .driving import ERRORS, Action, Case, Script, Step

_RARELY = ("",) * 20
_errors = st.sampled_from([*_RARELY, *ERRORS])
_steps = st.builds(
    Step,
    waits=st.integers(0, 2),
    raises=_errors,
    stubborn=st.booleans(),
    truth=st.sampled_from(["true", "true", "false", "raises"]),
)
_hows = {
    "plain": ["plain", "generator", "disguised"],
    "async": ["coroutine", "awaitable", "legacy"],
}
_hows["mixed"] = _hows["plain"] + _hows["async"]


def _calls(style: str) -> st.SearchStrategy[tuple[Step, ...]]:
    call = st.builds(
        Step,
        waits=st.integers(0, 2),
        raises=_errors,
        stubborn=st.booleans(),
        truth=st.sampled_from(["true", "true", "false", "raises"]),
        how=st.sampled_from(_hows[style]),
    )
    return st.lists(call, min_size=2, max_size=3).map(tuple)


_opens = st.sampled_from(["itself"] * 9 + ["another", "nothing", "error"])
_scripts = st.builds(
    Script,
    kind=st.sampled_from(["async", "async", "both", "sync"]),
    steps=st.lists(_steps, max_size=4).map(tuple),
    opens=_opens,
)
_replies = st.lists(
    st.sampled_from(["send"] * 10 + ["close", "drop", "again", *ERRORS]), max_size=3
).map(tuple)
_actions = st.builds(
    Action,
    what=st.sampled_from(["anext"] * 5 + ["asend", "athrow", "aclose"]),
    error=st.sampled_from(list(ERRORS)),
    replies=_replies,
)

cases = st.builds(
    Case,
    source=_scripts,
    calls=st.sampled_from(["plain", "async", "mixed", "mixed"]).flatmap(_calls),
    inner=st.lists(_scripts, min_size=1, max_size=2).map(tuple),
    actions=st.lists(_actions, max_size=5).map(tuple),
)
