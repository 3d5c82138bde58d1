"""Turns a Screen into the words and numbers of the page.

Ids in a Screen, and where their texts stand in `config/messages/<language>.toml`:

    Screen.id, reason   [screen.<id>.<reason>], each field falling back to [screen.<id>]
    Legend              [legend] <id>
    Choice.text         "kind.juminhyo" is juminhyo in [kind]; its small print, if any, in [kind_note],
                        the words of a switch, if any, as on and off in [kind_state]
    Row.label, values   likewise; a number is worded by [row_number]
    Said                likewise, with {number}
    CheckItem.text      likewise, with {count}
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from firmware.core.choosing import AID_KEYS
from firmware.core.screens import CheckItem, Choice, ItemState, Legend, Place, Row, Said, Screen, ScreenId
from firmware.core.terms import Aid, CertificateKind, KeypadKey, Language, MemberRole, Yen
from firmware.errors import ConfigError
from firmware.screen.catalogue import Catalogue, Value, differences

Snapshot = dict[str, object]
"""One picture of the page as JSON values."""

NUMBERS = frozenset(
    """
    fee_yen paid_yen due_yen change_yen refund_yen yen tries_left pages pages_out sheets
    digit count number until_month until_day until_hour until_minute seconds
    """.split()
)
"""Placeholders filled from the screen; all others must be names of the municipality profile."""

STEPS = range(1, 6)
TAGS = {Language.EASY: "ja", Language.ZH: "zh-Hans", Language.PT: "pt-BR"}
"""BCP 47 tags, where they are not the value itself."""

_FIELDS = ("title", "headline", "lines", "note")
_HEARD = "heard"
"""A field of a reason alone: said in the place of its lines."""

_AMOUNT = ("before", "amount", "after")
_CHANGE = ("change_before", "change_amount", "change_after")
_WORDS = ("page.time_before", "page.time_after")
_REQUIRED = (
    *(f"screen.{screen.value}.{field}" for screen in ScreenId for field in _FIELDS),
    *(f"kind.{kind.value}" for kind in CertificateKind),
    *(f"place.{place.value}" for place in Place),
    *(f"alarm.{place}" for place in (*(place.value for place in Place), "none")),
    *(f"member.{role.value}" for role in MemberRole),
    *(f"members.{part}" for part in ("nth", "of", "chosen")),
    *(f"state.{state.value}" for state in ItemState),
    *(f"step.{step}" for step in STEPS),
    *(f"key.{key.value}" for key in (KeypadKey.CANCEL, KeypadKey.CORRECT, KeypadKey.CONFIRM)),
    *(f"money.{part}" for part in (*_AMOUNT, *_CHANGE, "paid", "fee", "exact")),
    *(
        f"page.{part}"
        for part in ("yen", "fees", "coins", "join", "none", "pages", "about", "late", "voice_keys")
    ),
    *(f"legend.{aid.value}" for aid in Aid),
    *_WORDS,
    "language.name",
)
_SECTIONS = frozenset(
    """
    alarm check choice items items_note items_state key kind kind_note language legend member member_state
    members money page place row row_number screen state step subjects subjects_note supply
    """.split()
)


class Texts:
    """The texts of every language, checked when loaded."""

    def __init__(
        self,
        catalogues: Mapping[Language, Catalogue],
        names: Mapping[Language, Mapping[str, str]],
        offered: Sequence[Language],
        aids: Sequence[Aid],
    ) -> None:
        self._catalogues = catalogues
        self._names = names
        self._offered = tuple(offered)
        self._aids = frozenset(aids)

    @classmethod
    def load(
        cls,
        directory: Path,
        names: Mapping[str, str],
        amounts: Mapping[str, Sequence[Yen]] | None = None,
        offered: Sequence[Language] = tuple(Language),
        aids: Sequence[Aid] = tuple(Aid),
    ) -> "Texts":
        """Read one file per language and check all of them.

        names: placeholder to text from the municipality profile, such as opens = "6:30"; a name
        with a language, such as "city.en", is for that language alone.
        amounts: fees and coins in yen, worded by each language itself.
        offered: on the start screen, in the order of the digit keys. aids: that this machine has.
        Raises ConfigError naming file and key for a missing or unknown id, a placeholder nobody
        fills, and ids or placeholders that the languages do not share.
        """
        catalogues = {language: Catalogue.read(directory / f"{language.value}.toml") for language in Language}
        by_language = {
            language: _names_of(language, names) | _worded(catalogue, amounts or {})
            for language, catalogue in catalogues.items()
        }
        for language, catalogue in catalogues.items():
            _check(catalogue, NUMBERS | by_language[language].keys())
        for one, other in pairwise(catalogues.values()):
            if found := differences(one, other):
                raise ConfigError("; ".join(found))
        return cls(catalogues, by_language, offered, aids)

    def snapshot(self, screen: Screen, language: Language, aids: frozenset[Aid] = frozenset()) -> Snapshot:
        """Everything the page shows, complete; "reason" is given only if it has texts of its own.

        Raises ConfigError naming file and key for an id or a number that is missing.
        """
        return _Page(self._catalogues[language], self._names[language], screen).snapshot() | {
            "lang": _tag(language),
            "language": language.value,
            "aids": [aid.value for aid in Aid if aid in aids],
            "languages": self._languages(language) if screen.id is ScreenId.IDLE else [],
            "switches": self._switches(language, aids) if screen.id is ScreenId.IDLE else [],
        }

    def every(self, language: Language, values: Mapping[str, Sequence[int]]) -> Iterator[tuple[str, str]]:
        """Each text and each line of a list with its id, once for each value its one number can have.

        values: what a number can be, by `<id>.<name>`, `<section>.<name>` or name; a text with a number
        that none of them gives, or with two, is left out.
        """
        catalogue, names = self._catalogues[language], self._names[language]
        for key, message in catalogue.messages.items():
            for template in (message,) if isinstance(message, str) else message:
                for filled in _fillings(key, catalogue.names(key, template) - names.keys(), values):
                    yield key, catalogue.fill(key, template, {**names, **filled})

    def join(self, language: Language, parts: Sequence[str]) -> str:
        """As the values of a row are joined."""
        return self._catalogues[language].text("page.join", {}).join(parts)

    def _languages(self, current: Language) -> list[Snapshot]:
        return [
            {
                "key": str(digit),
                "label": self._catalogues[language].text("language.name", {}),
                "lang": _tag(language),
                "selected": language is current,
            }
            for digit, language in enumerate(self._offered, start=1)
        ]

    def _switches(self, language: Language, aids: frozenset[Aid]) -> list[Snapshot]:
        return [
            {
                "key": key.value,
                "id": aid.value,
                "label": self._catalogues[language].text(f"legend.{aid.value}", {}),
                "selected": aid in aids,
            }
            for key, aid in AID_KEYS.items()
            if aid in self._aids
        ]


class _Page:
    """One screen in one language, while its snapshot is made."""

    def __init__(self, catalogue: Catalogue, names: Mapping[str, str], screen: Screen) -> None:
        self._catalogue = catalogue
        self._screen = screen
        self._values: dict[str, Value] = {**names, **_numbers_of(screen)}
        self._section = f"screen.{screen.id.value}"
        variant = f"{self._section}.{screen.reason}"
        self._reason = screen.reason if screen.reason and catalogue.has(variant) else ""

    def snapshot(self) -> Snapshot:
        screen = self._screen
        return {
            "screen": screen.id.value,
            "reason": self._reason,
            "title": self._text(self._key("title")),
            "step": screen.step,
            "steps": [self._text(f"step.{step}") for step in STEPS],
            "headline": self._text(self._key("headline")),
            "lines": self._catalogue.lines(self._key("lines"), self._values),
            "note": self._text(self._key("note")),
            "heard": self._heard(),
            "heard_only": self._text("page.voice_keys") if screen.id is ScreenId.NOTICE else "",
            "kind": self._text(f"kind.{screen.kind.value}") if screen.kind else "",
            "place": screen.place.value if screen.place else None,
            "place_label": self._text(f"place.{screen.place.value}") if screen.place else "",
            "choices": [self._choice(choice) for choice in screen.choices],
            "keys": self._keys(screen.legend),
            "rows": [self._row(row) for row in screen.rows],
            "pin_digits": screen.pin_digits,
            "money": self._money(),
            "exact_money_only": screen.exact_money_only,
            "pages": self._pages(),
            "checklist": [self._check_item(item) for item in screen.checklist],
            "alarm": screen.alarm,
            "alarm_text": self._alarm() if screen.alarm else "",
            "error": screen.error,
            "words": {key.removeprefix("page."): self._text(key) for key in _WORDS},
        }

    def _heard(self) -> list[str]:
        """What is said instead of the lines that hold more numbers than a prompt can."""
        key = f"{self._section}.{self._reason}.heard"
        return self._catalogue.lines(key, self._values) if self._reason and self._catalogue.has(key) else []

    def _key(self, field: str) -> str:
        variant = f"{self._section}.{self._reason}.{field}"
        return variant if self._reason and self._catalogue.has(variant) else f"{self._section}.{field}"

    def _text(self, key: str, **numbers: int) -> str:
        return self._catalogue.text(key, {**self._values, **numbers})

    def _text_if_any(self, key: str) -> str:
        return self._text(key) if self._catalogue.has(key) else ""

    def _yen(self, yen: int | None) -> str:
        return "" if yen is None else self._text("page.yen", yen=yen)

    def _choice(self, choice: Choice) -> Snapshot:
        section, _, name = choice.text.partition(".")
        switch = f"{section}_state.{'on' if choice.selected else 'off'}"
        return {
            "key": str(choice.digit),
            "label": self._text(choice.text, digit=choice.digit),
            "more": self._said(choice.more) if choice.more else "",
            "note": self._text_if_any(f"{section}_note.{name}"),
            "fee": choice.fee_yen,
            "fee_text": self._yen(choice.fee_yen),
            "selected": choice.selected,
            "state_label": "" if choice.selected is None else self._text_if_any(switch),
        }

    def _keys(self, legend: Legend) -> Snapshot:
        actions = {
            KeypadKey.CANCEL: legend.cancel,
            KeypadKey.CORRECT: legend.correct,
            KeypadKey.CONFIRM: legend.confirm,
        }
        return {
            key.value: {
                "name": self._text(f"key.{key.value}"),
                "label": self._text(f"legend.{action}") if action else "",
                "enabled": action is not None,
            }
            for key, action in actions.items()
        }

    def _said(self, part: Said) -> str:
        return self._text(part.text, number=part.number)

    def _row(self, row: Row) -> list[object]:
        """Label and value; third, where the value is put together, what is said of it one by one."""
        if row.parts:
            several = [[self._said(part) for part in parts] for parts in row.parts]
            together = self._text("page.join").join(" ".join(parts) for parts in several)
            return [self._text(row.label), together, [part for parts in several for part in parts]]
        if row.text is not None:
            value = row.text
        elif row.number is None:
            words = [self._text(value) for value in row.values]
            value = self._text("page.join").join(words) if words else self._text("page.none")
        else:
            value = self._text(f"row_number.{row.label.removeprefix('row.')}", number=row.number)
        return [self._text(row.label), value]

    def _money(self) -> Snapshot | None:
        if self._screen.fee_yen is None or self._screen.paid_yen is None:
            return None
        change_yen = self._screen.paid_yen - self._screen.fee_yen
        told = _CHANGE if change_yen > 0 else _AMOUNT
        words = {
            part: self._text(f"money.{key}", change_yen=change_yen)
            for part, key in zip(_AMOUNT, told, strict=True)
        }
        return words | {
            "fee": self._screen.fee_yen,
            "paid": self._screen.paid_yen,
            "due": self._values["due_yen"],
            "fee_text": self._text("money.fee"),
            "paid_text": self._text("money.paid"),
            "exact_text": self._text("money.exact") if self._screen.exact_money_only else "",
        }

    def _pages(self) -> Snapshot | None:
        if self._screen.pages is None or self._screen.pages_out is None:
            return None
        return {
            "out": self._screen.pages_out,
            "total": self._screen.pages,
            "text": self._text("page.pages"),
            "about": self._catalogue.text("page.about", {"seconds": "\n"}).split("\n"),
            "late": self._text("page.late"),
        }

    def _check_item(self, item: CheckItem) -> Snapshot:
        return {
            "id": item.text.removeprefix("check."),
            "label": self._text(item.text, count=item.count),
            "state": item.state.value,
            "state_label": self._text(f"state.{item.state.value}"),
        }

    def _alarm(self) -> str:
        return self._text(f"alarm.{self._screen.place.value if self._screen.place else 'none'}")


def _fillings(
    key: str, numbers: frozenset[str], values: Mapping[str, Sequence[int]]
) -> Iterator[Mapping[str, int]]:
    """Every value of the one number, nothing to fill in without a number, none for several."""
    if not numbers:
        yield {}
    if len(numbers) == 1:
        [name] = numbers
        places = (f"{key}.{name}", f"{key.split('.', maxsplit=1)[0]}.{name}", name)
        yield from ({name: value} for value in next((values[at] for at in places if at in values), ()))


def _numbers_of(screen: Screen) -> dict[str, int]:
    named = {
        "fee_yen": screen.fee_yen,
        "paid_yen": screen.paid_yen,
        "pages": screen.pages,
        "pages_out": screen.pages_out,
    }
    numbers = {name: number for name, number in named.items() if number is not None}
    if screen.fee_yen is not None and screen.paid_yen is not None:
        numbers["due_yen"] = max(0, screen.fee_yen - screen.paid_yen)
    return numbers | dict(screen.numbers)


def _tag(language: Language) -> str:
    return TAGS.get(language, language.value)


def _worded(catalogue: Catalogue, amounts: Mapping[str, Sequence[Yen]]) -> dict[str, str]:
    join = catalogue.text("page.join", {})
    return {
        name: join.join(catalogue.text(f"page.{name}", {"yen": yen}) for yen in sorted(set(several)))
        for name, several in amounts.items()
    }


def _names_of(language: Language, names: Mapping[str, str]) -> dict[str, str]:
    common = {name: text for name, text in names.items() if "." not in name}
    suffix = f".{language.value}"
    own = {name.removesuffix(suffix): text for name, text in names.items() if name.endswith(suffix)}
    return common | own


def _check(catalogue: Catalogue, known: frozenset[str]) -> None:
    found = list(_faults(catalogue, known))
    if found:
        raise ConfigError("; ".join(f"{catalogue.file}: {fault}" for fault in found))


def _faults(catalogue: Catalogue, known: frozenset[str]) -> Iterator[str]:
    for key in _REQUIRED:
        if key not in catalogue.messages:
            yield f"{key} is missing"
    for key in catalogue.messages:
        section, *rest = key.split(".")
        if section not in _SECTIONS or (section == "screen" and not _is_screen_key(rest)):
            yield f"{key} is unknown"
        for name in sorted(catalogue.placeholders(key) - known):
            yield f"{key}: nobody fills {{{name}}}"


def _is_screen_key(path: list[str]) -> bool:
    ids = {screen.value for screen in ScreenId}
    return (
        len(path) in {2, 3}
        and path[0] in ids
        and (path[-1] in _FIELDS or (len(path) == 3 and path[-1] == _HEARD))
    )
