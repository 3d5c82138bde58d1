"""The texts of one language, read from a TOML file and filled with names and numbers."""

import string
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from firmware.errors import ConfigError

Message = str | tuple[str, ...]
Value = str | int


class Count(int):
    """A number whose format may choose words: "one|many" beside the formats of int."""

    def __format__(self, format_spec: str) -> str:
        one, bar, many = format_spec.partition("|")
        if not bar:
            return super().__format__(format_spec)
        return one if self == 1 else many


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All messages of one language by dotted id; a list in the file is a tuple here."""

    file: str
    messages: Mapping[str, Message]

    @classmethod
    def read(cls, path: Path) -> "Catalogue":
        """Raises ConfigError naming the file, and the key if a value is not a text."""
        try:
            with path.open("rb") as file:
                tree = tomllib.load(file)
        except (OSError, tomllib.TOMLDecodeError) as cause:
            raise ConfigError(f"{path}: {cause}") from cause
        return cls(str(path), MappingProxyType(dict(_flat(str(path), "", tree))))

    def has(self, key: str) -> bool:
        """True if there is a message of this id, or ids below it."""
        return key in self.messages or any(other.startswith(f"{key}.") for other in self.messages)

    def text(self, key: str, values: Mapping[str, Value]) -> str:
        """One text. Raises ConfigError if it is missing, is a list, or needs a value not given."""
        match self._message(key):
            case str(template):
                return self._filled(key, template, values)
            case _:
                raise ConfigError(f"{self.file}: {key} must be one text, not a list")

    def lines(self, key: str, values: Mapping[str, Value]) -> list[str]:
        """A list of texts. Raises ConfigError if it is missing, is one text, or needs a value not given."""
        match self._message(key):
            case str():
                raise ConfigError(f"{self.file}: {key} must be a list of texts")
            case templates:
                return [self._filled(key, template, values) for template in templates]

    def placeholders(self, key: str) -> frozenset[str]:
        """Names in braces. Raises ConfigError for braces that do not match or hold more than a name."""
        message = self._message(key)
        templates = (message,) if isinstance(message, str) else message
        return frozenset(name for template in templates for name in self._names(key, template))

    def names(self, key: str, template: str) -> frozenset[str]:
        """Names in the braces of one line of this id. Raises as placeholders does."""
        return frozenset(self._names(key, template))

    def fill(self, key: str, template: str, values: Mapping[str, Value]) -> str:
        """One line of this id. Raises ConfigError if it needs a value not given."""
        return self._filled(key, template, values)

    def _message(self, key: str) -> Message:
        try:
            return self.messages[key]
        except KeyError as cause:
            raise ConfigError(f"{self.file}: {key} is missing") from cause

    def _names(self, key: str, template: str) -> Iterator[str]:
        try:
            parts = list(string.Formatter().parse(template))
        except ValueError as cause:
            raise ConfigError(f"{self.file}: {key}: {cause}") from cause
        for _, name, _, conversion in parts:
            if name is None:
                continue
            if not name.isidentifier() or conversion:
                raise ConfigError(f"{self.file}: {key}: {{{name}}} is not a plain placeholder")
            yield name

    def _filled(self, key: str, template: str, values: Mapping[str, Value]) -> str:
        given = {name: Count(value) if isinstance(value, int) else value for name, value in values.items()}
        try:
            return template.format_map(given)
        except KeyError as cause:
            raise ConfigError(f"{self.file}: {key} needs a value for {{{cause.args[0]}}}") from cause
        except ValueError as cause:
            raise ConfigError(f"{self.file}: {key}: {cause}") from cause


def differences(one: Catalogue, other: Catalogue) -> list[str]:
    """Ids or placeholders that one catalogue has and the other has not, as sentences; empty if alike."""
    found = [
        f"{lacking.file}: {key} is missing"
        for having, lacking in ((one, other), (other, one))
        for key in sorted(having.messages.keys() - lacking.messages.keys())
    ]
    for key in sorted(one.messages.keys() & other.messages.keys()):
        if type(one.messages[key]) is not type(other.messages[key]):
            found.append(f"{other.file}: {key} is a list in one language only")
        elif one.placeholders(key) != other.placeholders(key):
            names = ", ".join(sorted(one.placeholders(key) ^ other.placeholders(key)))
            found.append(f"{other.file}: {key} differs in placeholders: {names}")
    return found


def _flat(file: str, prefix: str, tree: Mapping[str, object]) -> Iterator[tuple[str, Message]]:
    for name, node in tree.items():
        key = f"{prefix}{name}"
        match node:
            case str():
                yield key, node
            case list() if all(isinstance(text, str) for text in node):
                yield key, tuple(node)
            case dict():
                yield from _flat(file, f"{key}.", node)
            case _:
                raise ConfigError(f"{file}: {key} must be a text or a list of texts")
