"""What staff are told, kept apart from the language it is told in.

The English sentence is the key of its translations (`firmware/console/sayings.toml`), as in gettext: the code
stays readable, a log and a command line say it as it stands, and a test finds every sentence by its source.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sentence:
    """text: English, ASCII, with {names} as of str.format. values: by name; a sentence among them is said in
    the same language.
    """

    text: str
    values: Mapping[str, object]

    def __str__(self) -> str:
        return self.text.format_map(self.values)

    def rendered(self, template: str, say: "Say") -> str:
        """The sentence in another language's words."""
        values = {
            name: say(value) if isinstance(value, Sentence) else value for name, value in self.values.items()
        }
        return template.format_map(values)


Say = Callable[[Sentence], str]
"""Says a sentence in the language of whoever asked; `str` is English."""


def listed(words: Sequence[str]) -> Sentence:
    """Several words, each said in the same language; empty without one."""
    if not words:
        return Sentence("", {})
    first, *rest = words
    if not rest:
        return told(first)
    return told("{first}, {rest}", first=told(first), rest=listed(rest))


def told(text: str, /, **values: object) -> Sentence:
    """A sentence; text must be literal, so that it can be found."""
    return Sentence(text, values)
