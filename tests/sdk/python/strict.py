"""Checks JSON against the SDK's response models, and refuses what the SDK itself lets pass.

The SDK builds its objects without validation: unknown fields are kept, missing ones and wrong types go through. Here
every field at every depth has to be known and of its type, required ones have to be there, nothing is converted, and
of a union the variant counts whose literals fit.
"""

import re
from datetime import datetime
from typing import Annotated, Any, Iterator, Literal, Union, get_args, get_origin

from pydantic import BaseModel

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def problems(expected: Any, value: Any, path: str = "$") -> list[str]:
    """What is wrong with a value of this type, each with its place. Nothing, if it is right."""
    origin, arguments = get_origin(expected), get_args(expected)
    if origin is Annotated:
        return problems(arguments[0], value, path)
    if expected is object or expected is Any:
        return []
    if origin is Union:
        return of_union(arguments, value, path)
    if origin is Literal:
        fits = any(value == one and type(value) is type(one) for one in arguments)
        return [] if fits else [f"{path}: {value!r} is none of {arguments}"]
    if origin is list:
        if type(value) is not list:
            return [f"{path}: not a list"]
        return [found for at, item in enumerate(value) for found in problems(arguments[0], item, f"{path}[{at}]")]
    if origin is dict:
        if type(value) is not dict:
            return [f"{path}: not an object"]
        return [found for name, item in value.items() for found in problems(arguments[1], item, f"{path}.{name}")]
    if isinstance(expected, type) and issubclass(expected, BaseModel):
        return of_model(expected, value, path)
    if expected is datetime:
        return [] if type(value) is str and RFC3339.fullmatch(value) else [f"{path}: {value!r} is no time"]
    if expected in (str, int, bool, type(None)):
        return [] if type(value) is expected else [f"{path}: {value!r} is not of {expected.__name__}"]
    if expected is float:
        return [] if type(value) in (int, float) else [f"{path}: {value!r} is no number"]
    raise TypeError(f"{path}: the checker does not know {expected!r}")


def of_model(model: Any, value: Any, path: str) -> list[str]:
    if type(value) is not dict:
        return [f"{path}: not an object, where {model.__name__} is expected"]
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    found = [f"{path}.{name}: {model.__name__} has no such field" for name in value if name not in fields]
    for name, field in fields.items():
        if name in value:
            found += problems(field.annotation, value[name], f"{path}.{name}")
        elif field.is_required():
            found.append(f"{path}.{name}: {model.__name__} needs it")
    return found


def of_union(variants: tuple[Any, ...], value: Any, path: str) -> list[str]:
    tagged = [variant for variant in variants if tags(variant, value)]
    tried = [problems(variant, value, path) for variant in tagged or variants]
    # What is wrong with the variant that is nearest.
    return min(tried, key=len)


def tags(variant: Any, value: Any) -> bool:
    """Whether a literal of the variant, such as its `type`, names this value."""
    if not (isinstance(variant, type) and issubclass(variant, BaseModel) and type(value) is dict):
        return False
    for name, field in variant.model_fields.items():
        if get_origin(field.annotation) is Literal and value.get(name) in get_args(field.annotation):
            return True
    return False


def breakages(value: Any, path: str = "$") -> Iterator[tuple[str, Any]]:
    """Copies of a value that is right, each with one thing made wrong. What is the caller's own, such as the input of
    a tool, may be anything and stays as it is."""
    if type(value) is dict:
        yield f"{path}: an unknown field", {**value, "unknown_field": 1}
        for name, item in value.items():
            if name == "type":
                yield f"{path}: without type", {other: it for other, it in value.items() if other != "type"}
                yield f"{path}: another type", {**value, "type": "nonesuch"}
            if name != "input":
                yield from ((why, {**value, name: broken}) for why, broken in breakages(item, f"{path}.{name}"))
    elif type(value) is list:
        yield f"{path}: no list", {"unknown_field": value}
        for at, item in enumerate(value):
            for why, broken in breakages(item, f"{path}[{at}]"):
                yield why, [*value[:at], broken, *value[at + 1 :]]
    else:
        yield f"{path}: an object", {"unknown_field": value}
        if type(value) in (int, bool):
            yield f"{path}: a number as text", str(value)
        if type(value) is str:
            yield f"{path}: a number", 1


def prove() -> None:
    """That the checker finds what it is for, of each sort once, and passes what is right."""
    from anthropic.types import Message

    text = {"type": "text", "text": "Hi", "citations": None}
    usage = {"input_tokens": 1, "output_tokens": 1, "cache_creation": None, "service_tier": "standard"}
    right = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-next", "content": [text]}
    right = {**right, "stop_reason": "end_turn", "stop_sequence": None, "usage": usage}
    location = {"type": "page_location", "cited_text": "x", "document_index": 0, "document_title": None}
    location = {**location, "file_id": None, "start_page_number": 1, "end_page_number": 2}

    def usages(**changes: Any) -> dict[str, Any]:
        return {**right, "usage": {**usage, **changes}}

    def cited(**changes: Any) -> dict[str, Any]:
        return {**right, "content": [{**text, "citations": [{**location, **changes}]}]}

    for expected, message in [
        ([], right),
        ([], cited()),
        (["$.extra"], {**right, "extra": None}),
        (["$.usage.extra"], usages(extra=0)),
        (["$.content[0].citations[0].extra"], cited(extra=0)),
        (["$.content[0].text"], {**right, "content": [{"type": "text"}]}),
        (["$.role"], {name: value for name, value in right.items() if name != "role"}),
        (["$.usage.input_tokens"], usages(input_tokens="1")),
        (["$.usage.input_tokens"], usages(input_tokens=True)),
        (["$.usage.input_tokens"], usages(input_tokens=1.0)),
        (["$.usage.input_tokens"], usages(input_tokens=None)),
        (["$.usage.cache_creation.ephemeral_1h_input_tokens"], usages(cache_creation={"ephemeral_5m_input_tokens": 1})),
        (["$.usage.service_tier"], usages(service_tier="gold")),
        (["$.content[0].citations[0].end_page_number"], cited(end_page_number="2")),
        (["$.stop_reason"], {**right, "stop_reason": "tired"}),
        (["$.content"], {**right, "content": text}),
    ]:
        found = [problem.split(":")[0] for problem in problems(Message, message)]
        assert found == expected, f"the checker finds {found} instead of {expected}"
    for kind in ("image", None):
        assert problems(Message, {**right, "content": [{"type": kind}]}), "an unknown variant"
