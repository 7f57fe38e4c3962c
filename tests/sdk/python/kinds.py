"""Every kind of reply through the official Python SDK, printed as one JSON document.

    kinds.py <base_url> <base_url> <base_url> <kinds> <api_key>

The kinds are JSON: `[{"name", "fields", "betas"}]`. Each is asked for in each of three ways: in one piece, as a
stream, and with the helper that accumulates. Each way has a server of its own, all of one seed, so that all three
get the same message.
"""

import json
import sys
from typing import Any, get_args

from anthropic import Anthropic

from common import dump

QUESTION: Any = [{"role": "user", "content": "Something of this kind, please."}]


def asked(kind: Any, resource: str) -> dict[str, Any]:
    betas = {"betas": kind["betas"]} if resource == "beta" else {}
    return {
        "model": kind["model"],
        "max_tokens": 1024,
        "messages": QUESTION,
        "extra_body": kind["fields"],
        "extra_headers": {"x-sim-reply": kind["name"]},
        **betas,
    }


def tag(block: Any) -> str:
    """The type that the class of a block is for. The SDK takes a block that it does not know for another one."""
    (only,) = get_args(type(block).model_fields["type"].annotation)
    return only


def three_ways(clients: list[Anthropic], kind: Any, resource: str) -> dict[str, Any]:
    params = asked(kind, resource)
    whole, bare, helped = (client.beta.messages if resource == "beta" else client.messages for client in clients)
    message = whole.create(**params)
    with bare.create(stream=True, **params) as stream:
        events = [dump(event) for event in stream]
    with helped.stream(**params) as helper:
        kinds = [event.type for event in helper]
        final = helper.get_final_message()
    return {
        "name": kind["name"],
        "resource": resource,
        "whole": dump(message),
        "blocks": [tag(block) for block in message.content],
        "events": events,
        "kinds": kinds,
        "final": dump(final),
        "request_ids": [message._request_id, helper.request_id],
    }


def main() -> None:
    *base_urls, kinds, api_key = sys.argv[1:]
    clients = [Anthropic(base_url=url, api_key=api_key, max_retries=0, timeout=30.0) for url in base_urls]
    results = []
    for kind in json.loads(kinds):
        # What is no beta must do with both.
        for resource in ["beta"] if kind["betas"] else ["stable", "beta"]:
            results.append(three_ways(clients, kind, resource))
    json.dump(results, sys.stdout, indent=1, sort_keys=True, ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()
