"""How do services with an API like OpenAI's stream an answer?"""

import json
from contextlib import AbstractAsyncContextManager

import httpx2


def ask(
    client: httpx2.AsyncClient, model: str, prompt: str
) -> AbstractAsyncContextManager[httpx2.Response]:
    """Request a streamed answer to *prompt*."""
    messages = [{"role": "user", "content": prompt}]
    body = {"model": model, "messages": messages, "stream": True}
    return client.stream("POST", "chat/completions", json=body)


def read_event(line: str) -> str:
    """Return the text of an event, if it has any."""
    name, _, data = line.partition(":")
    data = data.strip()
    if name != "data" or data == "[DONE]":
        return ""
    try:
        choices = json.loads(data)["choices"]
        return choices[0]["delta"].get("content") or "" if choices else ""
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"not an event of a chat completion: {data[:60]}") from error
