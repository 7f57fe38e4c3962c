"""What the scripts over the Python SDK share: what an answer and an exception look like in their output."""

from typing import Any, Mapping

from anthropic import APIStatusError


def kept(headers: Mapping[str, str]) -> dict[str, str]:
    """The response headers that mean something to a caller."""
    names = ("content-type", "request-id", "retry-after", "retry-after-ms", "x-should-retry")
    found = {name.lower(): value for name, value in headers.items()}
    return {name: value for name, value in sorted(found.items()) if name in names or name.startswith("anthropic-")}


def dump(model: Any) -> Any:
    """What the server sent of a typed object, fields the SDK does not know included."""
    return model.to_dict(mode="json")


def raised(error: Exception) -> dict[str, Any]:
    """All that a program can learn from an exception."""
    if not isinstance(error, APIStatusError):
        return {"class": type(error).__name__, "message": str(error)}
    return {
        "class": type(error).__name__,
        "message": error.message,
        "status": error.status_code,
        "request_id": error.request_id,
        "workspace_id": error.workspace_id,
        "type": error.type,
        "error_code": error.error_code,
        "details": None if error.details is None else dump(error.details),
        "body": error.body,
        "headers": kept(error.response.headers),
    }
