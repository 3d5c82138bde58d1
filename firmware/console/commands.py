"""The commands of the technician's console: how each is written, what it means, what it warns of."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from firmware.console import wire as w
from firmware.core.terms import Language
from firmware.errors import ConsoleError

Text = dict[Language, str]


@dataclass(frozen=True, slots=True)
class Command:
    """words: what is typed first. arguments: as help shows them. make: their words -> the request.

    choices: words that can stand for the first argument. warns: what will happen, asked before it does.
    """

    words: tuple[str, ...]
    arguments: str
    make: Callable[[Sequence[str]], w.AnyRequest]
    says: Text
    choices: tuple[str, ...] = ()
    warns: Text | None = None

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
        raise ConsoleError(f"no command: {' '.join(words)[:40]}; see help")
    command = max(fitting, key=lambda one: len(one.words))
    try:
        request = command.make(words[len(command.words) :])
        # What the wire would refuse is refused here, by name.
        w.to_request(w.to_line(request))
    except (ValueError, LookupError, TypeError) as cause:
        detail = f" ({cause})" if isinstance(cause, ConsoleError) else ""
        raise ConsoleError(f"expected: {command.usage}{detail}") from cause
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


def help_page(language: Language, about: str = "") -> Iterator[str]:
    """Every command, or those that begin with a word."""
    chosen = [one for one in COMMANDS if not about or one.words[0] == about]
    for command in chosen:
        yield f"{command.usage:<38} {command.says[language]}"
        if about and command.warns is not None:
            yield f"    {command.warns[language]}"
    if not about:
        for word, says in LOCAL.items():
            yield f"{word:<38} {says[language]}"
    elif not chosen:
        yield f"no command begins with {about[:20]}"


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as cause:
        raise ConsoleError(f"cannot be read: {cause}") from cause


def _ja_en(ja: str, en: str) -> Text:
    return {Language.JA: ja, Language.EN: en}


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
            raise ConsoleError(str(cause)) from cause
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


LOCAL: Final[dict[str, Text]] = {
    "help": _ja_en("説明。help CASH のように語を添えると詳しく", "this list; help WORD says more"),
    "events": _ja_en("記録や画面の符号の意味: events P2", "what an event or a screen's code means"),
    "watch": _ja_en("記録を流し続ける。Ctrl-C で終わる", "show events as they come, until Ctrl-C"),
    "lang": _ja_en("言語を選ぶ: lang ja か lang en", "choose the language: lang ja or lang en"),
    "login": _ja_en("保守指示を貼り付けて始める", "paste a maintenance order"),
    "logout": _ja_en("保守を終える。指示は使用済みになる", "end the session; the order is spent"),
    "exit": _ja_en("端末だけ閉じる。同じ指示で続けられる", "leave; the same order can go on"),
}
"""What the console does by itself."""

COMMANDS: Final[tuple[Command, ...]] = (
    Command(("status",), "", _none(w.AskStatus), _ja_en("全体の状態を1画面で", "everything on one screen")),
    Command(
        ("logs",), "[EVENT] [N]", _events, _ja_en("最近の記録。EVENT で絞る", "the last events, of one id")
    ),
    Command(
        ("test",),
        "PART [seen|unseen]",
        _test,
        _ja_en("部品を試験し、良否と理由を出す", "test a part: fit or unfit, and why"),
        choices=tuple(part.value for part in w.Part),
    ),
    Command(("cash", "show"), "", _none(w.ShowCash), _ja_en("現金在高", "where the coins lie")),
    Command(
        ("cash", "refill"),
        "HOPPER COINS",
        _typed(w.Refill, "hopper", "coins"),
        _ja_en("釣銭を補充した", "coins were put into a hopper"),
        warns=_ja_en("補充した枚数を帳簿に記入します。", "The books will count these coins as put in."),
    ),
    Command(
        ("cash", "collect"),
        "box|HOPPER YEN COINS",
        _place(w.Collect),
        _ja_en("硬貨を回収した", "coins were taken out"),
        warns=_ja_en("回収した枚数を帳簿から引きます。", "The books will count these coins as taken out."),
    ),
    Command(
        ("cash", "count"),
        "box|HOPPER YEN COINS",
        _place(w.Count),
        _ja_en("硬貨を数えた", "coins were counted"),
        warns=_ja_en(
            "数えた枚数が帳簿の在高になります。", "The books will believe this count; a difference is kept."
        ),
    ),
    Command(
        ("settle",),
        "",
        _none(w.CloseDay),
        _ja_en("業務日を締める", "end the business day now"),
        warns=_ja_en(
            "業務日を締めます。取り消せません。", "The business day ends; this cannot be taken back."
        ),
    ),
    Command(("day", "list"), "", _none(w.ShowDays), _ja_en("締めた日", "the closed days")),
    Command(
        ("day", "print"),
        "YYYY-MM-DD",
        _typed(w.PrintDay, "business_date"),
        _ja_en("日計表を印字", "print a closed day on the roll"),
    ),
    Command(
        ("slip", "test"),
        "",
        _none(w.PrintSelfTest),
        _ja_en("レシートの自己診断を印字", "print the receipt printer's self-test"),
    ),
    Command(
        ("journal", "show"), "[N]", _journal("show"), _ja_en("業務記録の最後の N 件", "the last N entries")
    ),
    Command(
        ("journal", "verify"),
        "",
        _journal("verify"),
        _ja_en("業務記録の検証", "check every entry and its chain"),
    ),
    Command(
        ("journal", "export"),
        "",
        _journal("export"),
        _ja_en("業務記録を書き出す", "write the journal to a file"),
    ),
    Command(("claims", "list"), "", _none(w.ListClaims), _ja_en("返金引換券の一覧", "money owed by slips")),
    Command(
        ("claims", "show"),
        "XXXX-XXXX",
        _typed(w.AskClaim, "claim_no"),
        _ja_en("自治体に照会する", "what the municipality knows of one"),
    ),
    Command(
        ("claims", "settle"),
        "XXXX-XXXX",
        _typed(w.SettleClaim, "claim_no"),
        _ja_en("返金する", "pay one; the municipality notes it first"),
        warns=_ja_en(
            "返金済みとして自治体に記録されます。",
            "The municipality will note it as paid; then pay the person.",
        ),
    ),
    Command(
        ("visit", "list"), "", _none(w.ListVisits), _ja_en("最近の利用と結果", "the last visits by outcome")
    ),
    Command(
        ("visit", "resolve"),
        "VISIT printed|not-printed",
        _resolve,
        _ja_en("印刷が不明な利用を決める", "decide an unproven print"),
        warns=_ja_en(
            "printed は手数料を収め、not-printed は全額返します。",
            "printed keeps the fee, not-printed pays all of it back.",
        ),
    ),
    Command(
        ("maintenance", "on"),
        "",
        _none(lambda: w.SwitchMaintenance(on=True)),
        _ja_en("利用の終わりから保守中にする", "out of service when the running visit ends"),
        warns=_ja_en("保守中は誰も利用できません。", "The kiosk will serve nobody until maintenance is off."),
    ),
    Command(
        ("maintenance", "off"),
        "",
        _none(lambda: w.SwitchMaintenance(on=False)),
        _ja_en("保守を終え営業に戻す", "in service again"),
    ),
    Command(
        ("maintenance", "plan"),
        "BEGIN END   (YYYY-MM-DDTHH:MM)",
        _typed(w.PlanMaintenance, "begins", "ends"),
        _ja_en("保守の予定", "out of service between two moments"),
    ),
    Command(
        ("maintenance", "unplan"), "", _none(w.PlanMaintenance), _ja_en("予定を取り消す", "forget the plan")
    ),
    Command(
        ("hours",),
        "",
        _none(w.ShowHours),
        _ja_en(
            "営業時間を表示する (変更は設定ファイルか自治体で)",
            "show when the kiosk serves; profile and municipality set it",
        ),
    ),
    Command(
        ("support-bundle",),
        "",
        _none(w.MakeBundle),
        _ja_en("支援用の資料をまとめる (個人情報なし)", "one file for support; no personal data"),
    ),
    Command(
        ("certificate", "show"), "", _none(w.ShowCertificate), _ja_en("端末証明書", "the kiosk's certificate")
    ),
    Command(
        ("certificate", "renew"),
        "",
        _none(w.RenewCertificate),
        _ja_en("端末証明書を更新する", "have the municipality renew the kiosk's certificate now"),
    ),
    Command(
        ("config", "check"), "", _none(w.CheckConfig), _ja_en("設定を検査", "read the configuration files")
    ),
    Command(
        ("config", "reload"),
        "",
        _none(w.ReloadConfig),
        _ja_en("設定を読み直す", "start anew with the files as they are"),
        warns=_ja_en("プログラムを再起動します。", "The kiosk's program stops and starts anew."),
    ),
    Command(
        ("reboot",),
        "",
        _none(w.Reboot),
        _ja_en("機械を再起動", "start the machine anew"),
        warns=_ja_en("機械を再起動します。", "The whole machine stops and starts anew."),
    ),
)
