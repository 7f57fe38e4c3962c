"""Failures through the official Python SDK, printed as one JSON document.

    failures.py <base_url> <calls> <api_key>

The calls are JSON: `[{"fault", "way", "max_retries", "timeout", "spoils"}]`. The fault is what the simulator is
asked to do, or empty if that is not decided here; the way is `whole`, `stream`, or `helper` for the one that
accumulates. The output is a list of the calls, each with `"attempts"`, `"events"`, and `"returned"` or `"raised"`.
"""

import json
import sys
from typing import Any

import anthropic
import httpx2
from anthropic import Anthropic

from common import dump, raised

QUESTION: Any = [{"role": "user", "content": "Say hello to the tower, in one sentence. 你好, grüß dich 👋"}]


class Calls:
    def __init__(self, base_url: str, api_key: str) -> None:
        self.attempts = 0
        # Each call has a connection of its own: one that was spoilt may still look good to the next for a moment.
        limits = httpx2.Limits(max_keepalive_connections=0)
        http = anthropic.DefaultHttpxClient(event_hooks={"request": [self.count]}, limits=limits)
        self.client = Anthropic(base_url=base_url, api_key=api_key, http_client=http)

    def count(self, _request: Any) -> None:
        self.attempts += 1

    def run(self, call: Any) -> dict[str, Any]:
        self.attempts = 0
        client = self.client.with_options(max_retries=call["max_retries"], timeout=call["timeout"])
        params: Any = {"model": "claude-sonnet-5-5", "max_tokens": 64, "messages": QUESTION}
        params["extra_headers"] = {"x-sim-fault": call["fault"]} if call["fault"] else {}
        events: list[Any] = []
        try:
            outcome = {"returned": ways[call["way"]](client, params, events)}
        except Exception as error:  # The SDK lets errors of the connection and of the parser through.
            outcome = {"raised": raised(error)}
        return {**call, "attempts": self.attempts, "events": events, **outcome}


def whole(client: Anthropic, params: Any, _events: list[Any]) -> Any:
    return dump(client.messages.create(**params))


def stream(client: Anthropic, params: Any, events: list[Any]) -> Any:
    with client.messages.create(stream=True, **params) as bare:
        for event in bare:
            events.append(dump(event))


def helper(client: Anthropic, params: Any, events: list[Any]) -> Any:
    with client.messages.stream(**params) as helped:
        for event in helped:
            events.append(event.type)
        return dump(helped.get_final_message())


ways = {"whole": whole, "stream": stream, "helper": helper}


def main() -> None:
    base_url, calls, api_key = sys.argv[1:]
    caller = Calls(base_url, api_key)
    results = [caller.run(call) for call in json.loads(calls)]
    json.dump(results, sys.stdout, indent=1, sort_keys=True, ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()
