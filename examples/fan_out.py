r"""Stream the answers to many prompts, in order, within a budget of tokens.

Each prompt is a request to a language model, and its answer comes token by token.
`concurrent_flat_map` reads several answers at once and gives their tokens in the order
of the prompts: the first answer as it comes, while the next ones are read ahead.
`limit` is how many requests run at once; `paced` is how many may start per second.

An answer that fails is shown as far as it came, with the reason, and the others go on.
When as many tokens have come as `--budget` allows, the answers that still run are cut
off, and no more prompts are asked.

    python examples/fan_out.py
    python examples/fan_out.py --limit 2 --budget 300 --backend trio
    python examples/fan_out.py --address http://localhost:11434/v1 --model llama3.2 \
        "Why is the sky blue?" "And at night?"

Any service with an API like OpenAI's will do. Without an address, it asks a service
that it starts itself, on the loopback interface, which just quotes docstrings.
"""

from _plumbing import chat, command, drawing, loopback, sites, web

import argparse
import os
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from math import inf

import httpx2

from aiterkit import atakewhile, concurrent_flat_map, paced

AHEAD = 10_000  # tokens of an answer that may wait for the answers before it


@dataclass(frozen=True)
class Token:
    """A piece of the answer to prompt *number*; its *end*, if it is the last one."""

    number: int
    text: str = ""
    end: str = ""  # "complete", "failed" or "cut off"
    reason: str = ""


class Model:
    """Answers prompts, until as many tokens have come as the *budget* allows."""

    def __init__(self, client: httpx2.AsyncClient, name: str, budget: float) -> None:
        self.record = drawing.Record()
        self._client = client
        self._name = name
        self._left = budget

    def has_budget(self, _: object) -> bool:
        """Say whether another prompt may be asked."""
        return self._left > 0

    def _read(self, number: int, line: str) -> Token:
        try:
            text = chat.read_event(line)
        except ValueError as error:
            return Token(number, "", "failed", str(error))
        if text and self._left <= 0:
            return Token(number, "", "cut off", "the budget is spent")
        self._left -= bool(text)
        return Token(number, text)

    async def answer(self, numbered: tuple[int, str]) -> AsyncGenerator[Token, None]:
        """Ask one prompt, and yield its answer as it comes."""
        number, prompt = numbered
        end: Token | None = None
        with self.record.call():
            try:
                async with chat.ask(self._client, self._name, prompt) as response:
                    response.raise_for_status()
                    async for line in response.aiter_lines():
                        token = end or self._read(number, line)
                        if token.end:
                            end = token
                            # The next read fails, which ends the loop. A break would
                            # leave the generators inside of httpx open.
                            await response.aclose()
                        elif token.text:
                            yield token
            except httpx2.HTTPError as error:
                end = end or Token(number, "", "failed", web.describe(error))
        yield end or Token(number, "", "complete")


class Show:
    """Prints the tokens as they come, and counts them."""

    def __init__(self, prompts: Sequence[str]) -> None:
        self.tokens = 0
        self.ends = Counter[str]()
        self._prompts = prompts
        self._number = 0

    def take(self, token: Token) -> None:
        """Print *token*, which follows the one before or begins the next answer."""
        if token.number != self._number:
            self._number = token.number
            print(f"{token.number}. {self._prompts[token.number - 1]}")
        print(end=token.text, flush=True)
        if not token.end:
            self.tokens += 1
            return
        self.ends[token.end] += 1
        reason = f"[{token.end}: {token.reason}]" if token.reason else ""
        print(f"{reason}\n", flush=True)


async def fan_out(
    address: str, prompts: Sequence[str], show: Show, options: argparse.Namespace
) -> None:
    """Ask all *prompts*, and show the answers."""
    # On a terminal, the answers themselves show the progress.
    with command.progress(hidden=sys.stdout.isatty()) as bars:
        bar = bars.add_task("answers", total=len(prompts))
        async with web.new_client(local=not options.address, timeout=60) as client:
            client.base_url = httpx2.URL(address)
            if options.key:
                client.headers["Authorization"] = f"Bearer {options.key}"
            model = Model(client, options.model, options.budget or inf)
            async with concurrent_flat_map(
                paced(model.answer, per_second=options.per_second),
                atakewhile(model.has_budget, enumerate(prompts, start=1)),
                limit=options.limit,
                buffer=AHEAD,
            ) as tokens:
                async for token in tokens:
                    show.take(token)
                    bars.update(bar, completed=show.ends.total())
    print(*report(show, model, len(prompts)), sep="\n")


def report(show: Show, model: Model, prompts: int) -> Iterator[str]:
    """Say what overlapped, and what was gained by it."""
    record = model.record
    one_by_one = sum(span.end - span.start for span in record.spans)
    ends = show.ends + Counter({"not asked": prompts - show.ends.total()})
    requests = command.counted(record.overlap, "request")
    yield f"{command.counted(show.tokens, 'token')}, at most {requests} at a time"
    yield (
        f"answers: {', '.join(f'{count} {end}' for end, count in ends.items())}; "
        f"{record.clock():.1f} s instead of {one_by_one:.1f} s one after the other"
    )


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = command.new_parser(
        "Ask many prompts of a service that streams its answers, several at a time, "
        "and show the answers in the order of the prompts, as they come. The exit code "
        "is 1 if there is a prompt without a complete answer.",
        limit=4,
        what="requests",
    )
    number = partial(command.add_number, parser)
    number("--per-second", 10, "how many requests start per second, at most")
    number("--budget", None, "how many tokens in all, at most (default: no limit)")
    add = parser.add_argument
    what = "what to ask; without any, a dozen questions about this package"
    add("prompts", nargs="*", metavar="PROMPT", help=what)
    where = "a service with an API like OpenAI's, up to /v1; by default, its own"
    add("--address", type=web.web_address, metavar="URL", help=where)
    name = "which model to ask (default: %(default)s)"
    add("--model", default="any", metavar="NAME", help=name)
    variable = "the environment variable that holds the key, if the service needs one"
    add("--key-variable", metavar="NAME", help=variable)
    options = parser.parse_args()
    options.key = os.environ.get(options.key_variable or "")
    if options.key_variable is not None and not options.key:
        parser.error(f"argument --key-variable: {options.key_variable} is not set")
    return options


def main() -> int:
    """Ask the prompts, and print the answers."""
    options = read_arguments()
    prompts: list[str] = options.prompts or sites.QUESTIONS
    show = Show(prompts)
    with ExitStack() as stack:
        address: str | None = options.address
        if address is None:
            server = stack.enter_context(loopback.serve(stream=sites.quote_docstring))
            address = f"{server.address}/v1"
        command.run_async(
            fan_out, address, prompts, show, options, backend=options.backend
        )
    return 0 if show.ends["complete"] == len(prompts) else 1


if __name__ == "__main__":
    command.run_command(main)
