"""All JSON that the simulator answers with, against the models of the official Python SDK.

    schema.py <base_url> <kinds> <errors> <api_key>

The kinds are JSON as for `kinds.py`; the errors are a JSON list of faults, each of which makes an error of the API.
The output is `{"checked", "broken", "problems"}`: how many documents of which sort were checked, how many broken
copies of them the checker was shown, and all that was wrong.
"""

import json
import sys
from collections import Counter
from functools import partial
from typing import Any, Callable, Iterator, Literal, Optional, Union, get_args

from anthropic import Anthropic, APIStatusError, Stream
from anthropic.pagination import SyncPage
from anthropic.types import Message, MessageTokensCount, ModelInfo, RawMessageStreamEvent
from anthropic.types.beta import BetaMessage, BetaMessageTokensCount, BetaRawMessageStreamEvent
from anthropic.types.shared import ErrorDetails, ErrorObject, ErrorResponse, ErrorType
from pydantic import BaseModel

from kinds import asked
from strict import breakages, problems, prove


class Ping(BaseModel):
    """The SDK has no model for it: it skips the event by its name."""

    type: Literal["ping"]


class AnyErrorObject(BaseModel):
    """The SDK types `details` at its exceptions and not in its models, and four of the types not at all in these.
    `request_too_large` is documented and typed nowhere."""

    type: Union[ErrorType, Literal["request_too_large"]]
    message: str
    details: Optional[ErrorDetails] = None


class AnyErrorResponse(BaseModel):
    type: Literal["error"]
    error: AnyErrorObject
    request_id: Optional[str] = None


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    assert len(set(names)) == len(names), f"a field that is there twice: {names}"
    return dict(pairs)


def load(text: Union[str, bytes]) -> Any:
    """JSON of which nothing gets lost in reading."""
    return json.loads(text, object_pairs_hook=once)


LONG = "Some words to be found again. " * 500
WEATHER = {"name": "get_weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}

# What is answered without choosing a kind of reply, by what a request may have. Each is sent more than once, so that
# the prompt cache is written and read.
FIELDS: dict[str, dict[str, Any]] = {
    "nothing else": {},
    "cache": {
        "system": [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "cache_control": {"type": "ephemeral"},
    },
    "thinking": {"thinking": {"type": "adaptive", "display": "summarized"}},
    "thinking left out": {"thinking": {"type": "adaptive", "display": "omitted"}},
    "a tool": {"tools": [WEATHER]},
    "a tool of the server": {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
    "fast": {"speed": "fast"},
    "in the US": {"inference_geo": "us"},
    "too short": {"max_tokens": 1},
    "no output": {"max_tokens": 0},
}


class Report:
    def __init__(self) -> None:
        self.checked: Counter[str] = Counter()
        self.broken = 0
        self.problems: list[str] = []

    def check(self, sort: str, what: str, expected: Any, document: Any) -> None:
        self.checked[sort] += 1
        found = problems(expected, document)
        self.problems += [f"{what}: {problem}" for problem in found]
        if not found:
            for why, broken in breakages(document):
                self.broken += 1
                if not problems(expected, broken):
                    self.problems.append(f"{what}: the checker passes it with {why}")


def messages(client: Anthropic, params: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """A message and a stream for these parameters: what it is, its model, and the JSON."""
    beta = "betas" in params
    calls: Any = client.beta.messages if beta else client.messages
    whole = calls.with_raw_response.create(**params)
    yield "message", BetaMessage if beta else Message, load(whole.http_response.content)
    if params["extra_body"].get("max_tokens") == 0:
        return  # It does not go with a stream.
    with calls.with_streaming_response.create(stream=True, **params) as response:
        for event in Stream.raw_events(response.http_response):
            document = load(event.data)
            assert event.event == document["type"], f"{event.event} has {event.data}"
            expected = BetaRawMessageStreamEvent if beta else RawMessageStreamEvent
            yield f"event {event.event}", Ping if event.event == "ping" else expected, document


def others(client: Anthropic) -> Iterator[tuple[str, Any, Any]]:
    question: Any = {"model": "claude-opus-5-5", "messages": [{"role": "user", "content": "How long is this?"}]}
    count = client.messages.with_raw_response.count_tokens(**question)
    yield "count", MessageTokensCount, load(count.http_response.content)
    count = client.beta.messages.with_raw_response.count_tokens(**question)
    yield "count", BetaMessageTokensCount, load(count.http_response.content)
    for limit in (2, 1000):
        page = load(client.models.with_raw_response.list(limit=limit).http_response.content)
        yield "page", SyncPage[ModelInfo], page
    for model in page["data"]:
        yield "model", ModelInfo, load(client.models.with_raw_response.retrieve(model["id"]).http_response.content)


QUESTION: Any = {"model": "claude-opus-5-5", "max_tokens": 16, "messages": [{"role": "user", "content": "Hi"}]}


def refusals(client: Anthropic) -> dict[str, Callable[[], Any]]:
    """What the simulator refuses by itself."""
    stranger, create = client.with_options(api_key="sk-ant-api03-nobody"), client.messages.create
    return {
        "a key of nobody": lambda: stranger.messages.create(**QUESTION),
        "an unknown model": lambda: create(**{**QUESTION, "model": "claude-nonesuch-1"}),
        "an unknown beta": lambda: client.beta.messages.create(**QUESTION, betas=["nonesuch-2026-01-01"]),
        "an unknown version": lambda: create(**QUESTION, extra_headers={"anthropic-version": "2020-01-01"}),
        "a temperature": lambda: create(**QUESTION, extra_body={"temperature": 1}),
        "no messages": lambda: create(**{**QUESTION, "messages": []}),
        "an unknown path": lambda: client.get("/v1/nonesuch", cast_to=object),
        "another method": lambda: client.delete("/v1/models", cast_to=object),
        "no such fault": lambda: create(**QUESTION, extra_headers={"x-sim-fault": "nonesuch"}),
    }


def fail(client: Anthropic, fault: str) -> None:
    list(client.messages.create(stream=True, extra_headers={"x-sim-fault": fault}, **QUESTION))


def error(what: str, call: Callable[[], Any]) -> Any:
    """The JSON of an error, from an answer or from an event."""
    try:
        call()
    except APIStatusError as raised:
        # After an error event the response has been read; the exception has what the event said.
        return raised.body if raised.status_code == 200 else load(raised.response.content)
    raise AssertionError(f"{what} raises nothing")


def typed(document: Any) -> bool:
    """Whether the SDK's own model covers the error."""
    variants = get_args(get_args(ErrorObject)[0])
    types = [get_args(variant.model_fields["type"].annotation)[0] for variant in variants]
    return document["error"]["type"] in types and "details" not in document["error"]


def main() -> None:
    prove()
    base_url, kinds, errors, api_key = sys.argv[1:]
    client = Anthropic(base_url=base_url, api_key=api_key, max_retries=0, timeout=30.0)
    report = Report()
    for kind in json.loads(kinds):
        for resource in ["beta"] if kind["betas"] else ["stable", "beta"]:
            for sort, expected, document in messages(client, asked(kind, resource)):
                report.check(sort, f"{kind['name']} ({resource}): {sort}", expected, document)
    for what, fields in FIELDS.items():
        for betas in ({}, {"betas": []}):
            for sort, expected, document in messages(client, {**QUESTION, **betas, "extra_body": fields}):
                report.check(sort, f"{what}: {sort}", expected, document)
    for sort, expected, document in others(client):
        report.check(sort, sort, expected, document)
    failing = {fault: partial(fail, client, fault) for fault in json.loads(errors)}
    for what, call in {**failing, **refusals(client)}.items():
        document = error(what, call)
        report.check("error", what, AnyErrorResponse, document)
        if typed(document):
            report.check("typed error", what, ErrorResponse, document)
    output = {"checked": report.checked, "broken": report.broken, "problems": report.problems}
    json.dump(output, sys.stdout, indent=1, sort_keys=True, ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()
