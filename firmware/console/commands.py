"""The commands of the technician's console: how each is written, what it means, what it warns of."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from firmware.console import wire as w
from firmware.console.sayings import width
from firmware.core.wording import Say, Sentence, told
from firmware.errors import ConsoleError


@dataclass(frozen=True, slots=True)
class Command:
    """words: what is typed first. arguments: as help shows them. make: their words -> the request.

    choices: words that can stand for the first argument. warns: what will happen, asked before it does.
    """

    words: tuple[str, ...]
    arguments: str
    make: Callable[[Sequence[str]], w.AnyRequest]
    says: Sentence
    choices: tuple[str, ...] = ()
    warns: Sentence | None = None

    @property
    def usage(self) -> str:
        """How it is written."""
        return " ".join((*self.words, self.arguments)).strip()


@dataclass(frozen=True, slots=True)
class Line:
    """A line that was understood. as_json: the answer is wanted for a program. sure: asked no more."""

    command: Command
    request: w.AnyRequest
    as_json: bool
    sure: bool


def understand(text: str) -> Line:
    """Raises ConsoleError that says what is wrong with the line."""
    words = _split(text)
    as_json, sure = "--json" in words, "--yes" in words
    words = [word for word in words if word not in {"--json", "--yes"}]
    fitting = [one for one in COMMANDS if tuple(words[: len(one.words)]) == one.words]
    if not fitting:
        raise ConsoleError("no command: {words}; see help", words=" ".join(words)[:40])
    command = max(fitting, key=lambda one: len(one.words))
    try:
        request = command.make(words[len(command.words) :])
        # What the wire would refuse is refused here, by name.
        w.to_request(w.to_line(request))
    except (ValueError, LookupError, TypeError) as cause:
        if isinstance(cause, ConsoleError):
            raise ConsoleError(
                "expected: {usage} ({cause})", usage=command.usage, cause=cause.sentence
            ) from cause
        raise ConsoleError("expected: {usage}", usage=command.usage) from cause
    return Line(command, request, as_json, sure)


def completions(before: str) -> Iterator[str]:
    """Words that can stand where the cursor is. before: the line up to it."""
    words = before.split()
    typed = "" if not words or before.endswith(" ") else words.pop()
    place = len(words)
    found = set()
    for command in COMMANDS:
        whole = (*command.words, "") if command.choices else command.words
        if len(whole) <= place or tuple(words) != whole[:place]:
            continue
        found |= set(command.choices) if place == len(command.words) else {whole[place]}
    if place == 0:
        found |= set(LOCAL)
    if words == ["help"]:
        found |= {command.words[0] for command in COMMANDS}
    yield from sorted(word for word in found if word.startswith(typed) and word)


def help_page(say: Say, about: str = "") -> Iterator[str]:
    """Every command, or those that begin with a word."""
    chosen = [one for one in COMMANDS if not about or one.words[0] == about]
    for command in chosen:
        yield from _explained(command.usage, say(command.says))
        if about and command.warns is not None:
            yield f"    {say(command.warns)}"
    if not about:
        for word, says in LOCAL.items():
            yield from _explained(word, say(says))
    elif not chosen:
        yield say(told("no command begins with {word}", word=about[:20]))


def _explained(usage: str, says: str) -> Iterator[str]:
    """On one line, or on two where the first is full."""
    line = f"{usage:<{_USAGE_COLUMNS}} {says}"
    if len(usage) <= _USAGE_COLUMNS and width(line) <= _COLUMNS:
        yield line
        return
    yield usage
    yield f"    {says}"


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as cause:
        raise ConsoleError("cannot be read: {cause}", cause=cause) from cause


def _none(kind: Callable[[], w.AnyRequest]) -> Callable[[Sequence[str]], w.AnyRequest]:
    def make(words: Sequence[str]) -> w.AnyRequest:
        if words:
            raise ValueError
        return kind()

    return make


def _typed(kind: type[Any], *names: str) -> Callable[[Sequence[str]], w.AnyRequest]:
    """As many words as names; numbers where the request has them."""

    def make(words: Sequence[str]) -> w.AnyRequest:
        if len(words) != len(names):
            raise ValueError
        said = dict(zip(names, words, strict=True))
        tag = str(kind.__struct_config__.tag)
        try:
            request: w.AnyRequest = msgspec.convert({"act": tag, **said}, kind, strict=False)
        except msgspec.ValidationError as cause:
            raise ConsoleError("{cause}", cause=cause) from cause
        return request

    return make


def _place(kind: type[w.Collect | w.Count]) -> Callable[[Sequence[str]], w.AnyRequest]:
    def make(words: Sequence[str]) -> w.AnyRequest:
        place, coin_yen, coins = words
        return kind(None if place == "box" else int(place), int(coin_yen), int(coins))

    return make


def _events(words: Sequence[str]) -> w.AnyRequest:
    event = words[0] if words and not words[0].isdigit() else ""
    rest = words[1:] if event else words
    if len(rest) > 1:
        raise ValueError
    return w.AskEvents(event=event, last=int(rest[0]) if rest else 20)


def _journal(what: str) -> Callable[[Sequence[str]], w.AnyRequest]:
    def make(words: Sequence[str]) -> w.AnyRequest:
        if len(words) > (what == "show"):
            raise ValueError
        return w.AskJournal(what, int(words[0])) if words else w.AskJournal(what)

    return make


def _resolve(words: Sequence[str]) -> w.AnyRequest:
    visit, decision = words
    return w.ResolveVisit(visit, {"printed": True, "not-printed": False}[decision])


def _test(words: Sequence[str]) -> w.AnyRequest:
    part, *seen = words
    if len(seen) > 1:
        raise ValueError
    return w.TestPart(w.Part(part), {"seen": True, "unseen": False}[seen[0]] if seen else None)


_USAGE_COLUMNS, _COLUMNS = 38, 80

LOCAL: Final[dict[str, Sentence]] = {
    "help": told("this list; help WORD says more"),
    "events": told("what an event or a screen's code means"),
    "watch": told("events as they come; watch P2 only some"),
    "lang": told("choose the language: lang ja or lang en"),
    "login": told("paste a maintenance order"),
    "logout": told("end the session; the order is spent"),
    "exit": told("leave; the same order can go on"),
}
"""What the console does by itself."""

COMMANDS: Final[tuple[Command, ...]] = (
    Command(("status",), "", _none(w.AskStatus), told("everything on one screen")),
    Command(("logs",), "[EVENT|CODE] [N]", _events, told("the last N events; of one id or code")),
    Command(
        ("test",),
        "PART [seen|unseen]",
        _test,
        told("test a part: fit or unfit, and why"),
        choices=tuple(part.value for part in w.Part),
    ),
    Command(
        ("test", "hopper"),
        "",
        _none(lambda: w.TestPart(w.Part.HOPPER)),
        told("have each hopper pay one coin into the cup"),
        warns=told("Each hopper pays one coin; the books note it as taken out by you."),
    ),
    Command(("cash", "show"), "", _none(w.ShowCash), told("where the coins lie")),
    Command(
        ("cash", "refill"),
        "HOPPER COINS",
        _typed(w.Refill, "hopper", "coins"),
        told("coins were put into a hopper"),
        warns=told("The books will count these coins as put in."),
    ),
    Command(
        ("cash", "collect"),
        "box|HOPPER YEN COINS",
        _place(w.Collect),
        told("coins were taken out"),
        warns=told("The books will count these coins as taken out."),
    ),
    Command(
        ("cash", "count"),
        "box|HOPPER YEN COINS",
        _place(w.Count),
        told("coins were counted"),
        warns=told("The books will believe this count; a difference is kept."),
    ),
    Command(
        ("settle",),
        "",
        _none(w.CloseDay),
        told("end the business day now"),
        warns=told("The business day ends; this cannot be taken back."),
    ),
    Command(("day", "list"), "", _none(w.ShowDays), told("the closed days")),
    Command(
        ("day", "print"),
        "YYYY-MM-DD",
        _typed(w.PrintDay, "business_date"),
        told("print a closed day on the roll"),
    ),
    Command(
        ("slip", "test"),
        "",
        _none(w.PrintSelfTest),
        told("print the receipt printer's self-test"),
    ),
    Command(("journal", "show"), "[N]", _journal("show"), told("the last N entries")),
    Command(
        ("journal", "verify"),
        "",
        _journal("verify"),
        told("check every entry and its chain"),
    ),
    Command(
        ("journal", "export"),
        "",
        _journal("export"),
        told("write the journal to a file"),
    ),
    Command(("claims", "list"), "", _none(w.ListClaims), told("money owed by slips")),
    Command(
        ("claims", "show"),
        "XXXX-XXXX",
        _typed(w.AskClaim, "claim_no"),
        told("what the municipality knows of one"),
    ),
    Command(
        ("claims", "settle"),
        "XXXX-XXXX",
        _typed(w.SettleClaim, "claim_no"),
        told("pay one; the municipality notes it first"),
        warns=told("The municipality will note it as paid; then pay the person."),
    ),
    Command(("visit", "list"), "", _none(w.ListVisits), told("the last visits by outcome")),
    Command(
        ("visit", "resolve"),
        "VISIT printed|not-printed",
        _resolve,
        told("decide an unproven print"),
        warns=told("printed keeps the fee, not-printed pays all of it back."),
    ),
    Command(
        ("visit", "printer-off"),
        "VISIT",
        _typed(w.SayPrinterOff, "visit"),
        told("the dead printer is switched off"),
        warns=told("Only with its plug pulled: what comes out later is nobody's."),
    ),
    Command(
        ("maintenance", "on"),
        "",
        _none(lambda: w.SwitchMaintenance(on=True)),
        told("out of service when the running visit ends"),
        warns=told("The kiosk will serve nobody until maintenance is off."),
    ),
    Command(
        ("maintenance", "off"),
        "",
        _none(lambda: w.SwitchMaintenance(on=False)),
        told("in service again"),
    ),
    Command(
        ("maintenance", "plan"),
        "YYYY-MM-DDTHH:MM YYYY-MM-DDTHH:MM",
        _typed(w.PlanMaintenance, "begins", "ends"),
        told("out of service between two moments"),
    ),
    Command(("maintenance", "unplan"), "", _none(w.PlanMaintenance), told("forget the plan")),
    Command(
        ("hours",),
        "",
        _none(w.ShowHours),
        told("when the kiosk serves; the city sets it"),
    ),
    Command(
        ("support-bundle",),
        "",
        _none(w.MakeBundle),
        told("one file for support; no personal data"),
    ),
    Command(("certificate", "show"), "", _none(w.ShowCertificate), told("the kiosk's certificate")),
    Command(
        ("certificate", "renew"),
        "",
        _none(w.RenewCertificate),
        told("have the certificate renewed now"),
    ),
    Command(("config", "check"), "", _none(w.CheckConfig), told("read the configuration files")),
    Command(
        ("config", "reload"),
        "",
        _none(w.ReloadConfig),
        told("start anew with the files as they are"),
        warns=told("The kiosk's program stops and starts anew."),
    ),
    Command(
        ("reboot",),
        "",
        _none(w.Reboot),
        told("start the machine anew"),
        warns=told("The whole machine stops and starts anew."),
    ),
    Command(("update", "status"), "", _none(w.AskUpdate), told("which slot runs; the last update")),
    Command(
        ("update", "install"),
        "/FILE",
        _typed(w.InstallUpdate, "bundle"),
        told("install a signed bundle"),
        warns=told("The kiosk closes, and the machine starts anew with the new system on trial."),
    ),
    Command(
        ("decommission",),
        "URN",
        _typed(w.Decommission, "urn"),
        told("erase this kiosk for good"),
        warns=told("Journal, keys and configuration go for good; the machine switches off."),
    ),
)
