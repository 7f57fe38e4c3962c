"""All JSON that the simulator answers with, against the models of the official Python SDK.

    schema.py <base_url> <kinds> <errors> <api_key>

The kinds are JSON as for `kinds.py`; the errors are a JSON list of faults, each of which makes an error of the API.
The output is `{"checked", "broken", "problems"}`: how many documents of which sort were checked, how many broken
copies of them the checker was shown, and all that was wrong.
"""

import json
import sys
from collections import Counter
from typing import Any, Iterator, Literal, Optional, Union, get_args

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


def messages(client: Anthropic, kind: Any, resource: str) -> Iterator[tuple[str, Any, Any]]:
    """A message and a stream of this kind: what it is, its model, and the JSON."""
    beta = resource == "beta"
    calls, params = client.beta.messages if beta else client.messages, asked(kind, resource)
    whole = calls.with_raw_response.create(**params)
    yield "message", BetaMessage if beta else Message, load(whole.http_response.content)
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


def error(client: Anthropic, fault: str) -> Any:
    """The JSON of an error, from an answer or from an event."""
    try:
        params: Any = {"model": "claude-opus-5-5", "max_tokens": 16, "messages": [{"role": "user", "content": "Hi"}]}
        list(client.messages.create(stream=True, extra_headers={"x-sim-fault": fault}, **params))
    except APIStatusError as raised:
        # After an error event the response has been read; the exception has what the event said.
        return raised.body if raised.status_code == 200 else load(raised.response.content)
    raise AssertionError(f"{fault} raises nothing")


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
            for sort, expected, document in messages(client, kind, resource):
                report.check(sort, f"{kind['name']} ({resource}): {sort}", expected, document)
    for sort, expected, document in others(client):
        report.check(sort, sort, expected, document)
    for fault in json.loads(errors):
        document = error(client, fault)
        report.check("error", fault, AnyErrorResponse, document)
        if typed(document):
            report.check("typed error", fault, ErrorResponse, document)
    output = {"checked": report.checked, "broken": report.broken, "problems": report.problems}
    json.dump(output, sys.stdout, indent=1, sort_keys=True, ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()
