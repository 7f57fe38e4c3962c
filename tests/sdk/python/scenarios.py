"""Everyday calls through the official Python SDK, printed as one JSON document.

    scenarios.py <base_url> <api_key>

The output is a list of `{"scenario", "result"}`. A result is `{"returned": ...}` with what the SDK gave, or
`{"raised": ...}` with the exception it threw, so that two servers can be compared by comparing two outputs.
The SDK's own retries are off: a repeated request must not hide a difference.
"""

import json
import sys
from typing import Any, Callable, Iterable, cast

from anthropic import Anthropic, AnthropicError, omit
from anthropic.types import MessageParam, ToolParam

from common import dump, kept, raised

SONNET = "claude-sonnet-5-5"
OPUS = "claude-opus-5-5"
HAIKU = "claude-haiku-5-5"

WEATHER: ToolParam = {
    "name": "get_weather",
    "description": "The current weather in a city.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}},
        "required": ["city"],
    },
}
HELLO: list[MessageParam] = [{"role": "user", "content": "Say hello to the tower, in one sentence. 你好, grüß dich 👋"}]
RIDDLE: list[MessageParam] = [{"role": "user", "content": "Is 2027 prime? Think it through."}]
WEATHER_QUESTION: list[MessageParam] = [{"role": "user", "content": "What is the weather in Lisbon?"}]


def whole(raw: Any) -> dict[str, Any]:
    """An answer read in one piece."""
    parsed = raw.parse()
    return {
        "status": raw.status_code,
        "request_id": raw.request_id,
        "object_request_id": parsed._request_id,
        "headers": kept(raw.headers),
        "body": dump(parsed),
    }


def events(stream: Iterable[Any]) -> list[Any]:
    return [dump(event) for event in stream]


def streamed(client: Anthropic, **params: Any) -> dict[str, Any]:
    """The same request twice: the bare iterator, then the helper that accumulates."""
    with client.messages.create(stream=True, **params) as bare:
        head = kept(bare.response.headers)
        low = events(bare)
    with client.messages.stream(**params) as helper:
        helper_head = kept(helper.response.headers)
        kinds, pieces = [], {"text": "", "thinking": "", "partial_json": ""}
        for event in helper:
            kinds.append(event.type)
            if event.type == "content_block_delta":
                for piece in pieces:
                    pieces[piece] += getattr(event.delta, piece, "")
        final = dump(helper.get_final_message())
        request_id = helper.request_id
    return {
        "headers": head,
        "events": low,
        "helper": {"headers": helper_head, "request_id": request_id, "kinds": kinds, "pieces": pieces, "final": final},
    }


def create(client: Anthropic) -> Any:
    return whole(client.messages.with_raw_response.create(model=SONNET, max_tokens=256, messages=HELLO))


def create_with_system_and_thinking(client: Anthropic) -> Any:
    return whole(
        client.messages.with_raw_response.create(
            model=SONNET,
            max_tokens=2048,
            system=[{"type": "text", "text": "You are a careful mathematician.", "cache_control": {"type": "ephemeral"}}],
            thinking={"type": "adaptive", "display": "summarized"},
            metadata={"user_id": "scenario-user"},
            messages=RIDDLE,
        )
    )


def create_with_stop_sequence(client: Anthropic) -> Any:
    return whole(
        client.messages.with_raw_response.create(
            model=HAIKU, max_tokens=8, stop_sequences=["\n\nHuman:"], messages=HELLO, system="Be brief."
        )
    )


def stream(client: Anthropic) -> Any:
    return streamed(client, model=OPUS, max_tokens=256, messages=HELLO)


def thinking_stream(client: Anthropic) -> Any:
    return streamed(
        client,
        model=OPUS,
        max_tokens=2048,
        thinking={"type": "adaptive", "display": "summarized"},
        messages=RIDDLE,
    )


def answers(content: Iterable[Any]) -> list[Any]:
    return [
        {"type": "tool_result", "tool_use_id": block.id, "content": json.dumps({"celsius": 21, "asked": block.input})}
        for block in content
        if block.type == "tool_use"
    ]


def tools(client: Anthropic) -> Any:
    # Only the small model may be forced to use a tool: the larger ones of its generation answer 400.
    asked = client.messages.with_raw_response.create(
        model=HAIKU,
        max_tokens=512,
        tools=[WEATHER],
        tool_choice={"type": "tool", "name": "get_weather"},
        messages=WEATHER_QUESTION,
    )
    first = asked.parse()
    told = client.messages.with_raw_response.create(
        model=HAIKU,
        max_tokens=512,
        tools=[WEATHER],
        messages=[
            *WEATHER_QUESTION,
            {"role": "assistant", "content": first.content},
            {"role": "user", "content": answers(first.content)},
        ],
    )
    return {"asked": whole(asked), "told": whole(told)}


def tools_stream(client: Anthropic) -> Any:
    asked = streamed(
        client,
        model=HAIKU,
        max_tokens=512,
        tools=[WEATHER],
        tool_choice={"type": "any"},
        messages=WEATHER_QUESTION,
    )
    content = asked["helper"]["final"]["content"]
    results = [
        {"type": "tool_result", "tool_use_id": block["id"], "content": "21 °C"}
        for block in content
        if block["type"] == "tool_use"
    ]
    told = streamed(
        client,
        model=HAIKU,
        max_tokens=512,
        tools=[WEATHER],
        messages=[
            *WEATHER_QUESTION,
            {"role": "assistant", "content": content},
            {"role": "user", "content": results},
        ],
    )
    return {"asked": asked, "told": told}


def count_tokens(client: Anthropic) -> Any:
    return whole(
        client.messages.with_raw_response.count_tokens(
            model=SONNET, system="You are terse.", tools=[WEATHER], messages=WEATHER_QUESTION
        )
    )


def models_list(client: Anthropic) -> Any:
    first = client.models.with_raw_response.list(limit=2)
    page = first.parse()
    return {
        "headers": kept(first.headers),
        "first_page": dump(page),
        # Walks every page, two models at a time: the query must survive the way.
        "all": [dump(model) for model in page],
    }


def models_retrieve(client: Anthropic) -> Any:
    return whole(client.models.with_raw_response.retrieve(OPUS))


def error_unknown_model(client: Anthropic) -> Any:
    return whole(client.messages.with_raw_response.create(model="claude-nonesuch-1", max_tokens=16, messages=HELLO))


def error_unknown_model_stream(client: Anthropic) -> Any:
    return streamed(client, model="claude-nonesuch-1", max_tokens=16, messages=HELLO)


def error_unknown_model_retrieve(client: Anthropic) -> Any:
    return whole(client.models.with_raw_response.retrieve("claude-nonesuch-1"))


def error_bad_key(client: Anthropic) -> Any:
    stranger = client.copy(api_key="sk-ant-api03-not-a-key-anyone-was-given")
    return whole(stranger.messages.with_raw_response.create(model=SONNET, max_tokens=16, messages=HELLO))


def error_missing_field(client: Anthropic) -> Any:
    return whole(client.messages.with_raw_response.create(model=SONNET, max_tokens=16, messages=cast(Any, omit)))


SCENARIOS: list[Callable[[Anthropic], Any]] = [
    create,
    create_with_system_and_thinking,
    create_with_stop_sequence,
    stream,
    thinking_stream,
    tools,
    tools_stream,
    count_tokens,
    models_list,
    models_retrieve,
    error_unknown_model,
    error_unknown_model_stream,
    error_unknown_model_retrieve,
    error_bad_key,
    error_missing_field,
]


def run(scenario: Callable[[Anthropic], Any], client: Anthropic) -> dict[str, Any]:
    try:
        return {"returned": scenario(client)}
    except AnthropicError as error:
        return {"raised": raised(error)}


def main() -> None:
    base_url, api_key = sys.argv[1:]
    client = Anthropic(base_url=base_url, api_key=api_key, max_retries=0, timeout=30.0)
    results = [{"scenario": scenario.__name__, "result": run(scenario, client)} for scenario in SCENARIOS]
    json.dump(results, sys.stdout, indent=1, sort_keys=True, ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()
