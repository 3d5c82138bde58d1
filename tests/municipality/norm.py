"""The protocol's text, OpenAPI 3.1, as the tests hold both sides against it."""

import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from jsonschema import Draft202012Validator

TEXT = Path(__file__).resolve().parent.parent.parent / "firmware" / "municipality" / "openapi-v1.json"


@cache
def norm() -> dict[str, Any]:
    """The document."""
    text: dict[str, Any] = json.loads(TEXT.read_text(encoding="utf-8"))
    return text


def operations() -> dict[str, tuple[str, str, dict[str, Any]]]:
    """operationId to method, path and the operation."""
    return {
        operation["operationId"]: (method.upper(), path, operation)
        for path, item in norm()["paths"].items()
        for method, operation in item.items()
    }


def schema(reference: dict[str, Any]) -> dict[str, Any]:
    """A schema of the document that stands on its own."""
    return {**reference, "components": norm()["components"]}


def values(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """What fits a schema of this document: the words of JSON Schema that stand in it, no others."""
    if "$ref" in schema:
        return values(norm()["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        return st.one_of(*(values(choice) for choice in schema["anyOf"]))
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema["type"]:
        case "null":
            return st.none()
        case "boolean":
            return st.booleans()
        case "integer":
            most = schema.get("maximum", 2**53)
            return st.integers(schema.get("minimum", -(2**53)), most)
        case "array":
            most = min(3, schema.get("maxItems", 3))
            return st.lists(values(schema["items"]), min_size=schema.get("minItems", 0), max_size=most)
        case "string":
            return _texts(schema)
        case kind:
            assert kind == "object", schema
            required = {name: values(schema["properties"][name]) for name in schema["required"]}
            others = schema["properties"].keys() - required.keys()
            optional = {name: values(schema["properties"][name]) for name in sorted(others)}
            return st.fixed_dictionaries(required, optional=optional)


def _texts(schema: dict[str, Any]) -> st.SearchStrategy[str]:
    if schema.get("format") == "date-time":
        moments = st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
        return moments.map(datetime.isoformat)
    if "pattern" in schema:
        fitting = st.from_regex(schema["pattern"].removesuffix("$") + r"\Z")
        return fitting.filter(lambda text: len(text) <= schema.get("maxLength", 1000))
    return st.text(max_size=schema.get("maxLength", 40))


def faults(method: str, path: str, status: int, content_type: str, body: Any) -> list[str]:
    """In what an answer departs from the text; empty for one that follows it."""
    operation = _operation(method, path)
    if operation is None:
        return []
    answer = operation["responses"].get(str(status))
    if answer is None:
        return [f"status {status}"]
    content = answer.get("content")
    if content is None:
        return [] if body is None else ["a body"]
    media = content.get(content_type)
    if media is None:
        return [f"type {content_type}"]
    found = Draft202012Validator(schema(media["schema"])).iter_errors(body)
    return [fault.message for fault in found]


def _operation(method: str, path: str) -> dict[str, Any] | None:
    for candidate, pattern, operation in operations().values():
        parts, names = path.partition("?")[0].split("/"), pattern.split("/")
        fits = len(parts) == len(names) and all(
            name.startswith("{") or name == part for part, name in zip(parts, names, strict=True)
        )
        if candidate == method and fits:
            return operation
    return None
