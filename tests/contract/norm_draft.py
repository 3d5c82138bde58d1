"""Writes the messages' schemas into the protocol's text anew: python -m tests.contract.norm_draft

For a change of the protocol: change the backend's requests and the kiosk's answers, run this, read the
difference, and write by hand what it cannot know: paths, problem codes, words. Descriptions stay.
"""

import json
import sys
from typing import Any

import msgspec

from firmware.municipality import messages
from tests.municipality import wire
from tests.municipality.norm import TEXT, norm

REFERENCES = "#/components/schemas/{name}"


def schemas_of(module: Any, names: list[str]) -> dict[str, Any]:
    """Schemas of these messages and of what they are made of, patterns as ECMA 262 has them."""
    types = [getattr(module, name) for name in names]
    _, found = msgspec.json.schema_components(types, ref_template=REFERENCES)
    return {name: _plain(schema) for name, schema in found.items()}


def requests() -> list[str]:
    """Every request that the backend reads."""
    return sorted(name for name in vars(wire) if name.endswith("Request") and name != "Request")


def answers() -> list[str]:
    """Every answer that the kiosk reads, and the bytes that the card signs."""
    return [*sorted(name for name in vars(messages) if name.endswith("Answer")), "ToBeSigned"]


def main() -> int:
    """Write the text."""
    text = norm()
    kept = text["components"]["schemas"]
    drawn = schemas_of(messages, answers()) | schemas_of(wire, requests())
    for name, schema in drawn.items():
        if "description" in kept.get(name, {}):
            schema["description"] = kept[name]["description"]
    text["components"]["schemas"] = dict(sorted((drawn | {"Problem": kept["Problem"]}).items()))
    TEXT.write_text(json.dumps(text, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return 0


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _plain(item) for key, item in value.items() if key not in ("title", "default")}
    if isinstance(kept.get("pattern"), str):
        kept["pattern"] = "^" + kept["pattern"].removeprefix("\\A").removesuffix("\\Z") + "$"
    return kept


if __name__ == "__main__":
    sys.exit(main())
