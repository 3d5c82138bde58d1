"""The register's files: who lives where, and what the city decides.

`people.toml` and `city.toml` are read strictly: an unknown key is an error.
"""

import tomllib
from datetime import date, time
from pathlib import Path
from typing import Literal

import msgspec

HERE = Path(__file__).parent
PEOPLE = HERE / "people.toml"
CITY = HERE / "city.toml"

Kind = Literal["juminhyo", "inkan", "shotoku"]
KINDS: tuple[Kind, ...] = ("juminhyo", "inkan", "shotoku")

MOST_MEMBERS = 45
"""A larger household is issued whole or for one alone."""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of a file; unknown keys are refused."""


class Card(_File, frozen=True):
    """What lies in OUT/cards/<id>/; tries_left 0 is a card locked before the visit, P-384 the next card."""

    pin: str = "1234"
    tries_left: int = 3
    certificate: Literal["valid", "expired", "revoked", "not_yet"] = "valid"
    key: Literal["RSA-2048", "P-384"] = "RSA-2048"


class Tax(_File, frozen=True):
    """One person's record of one 年度: label and yen, or label and count."""

    income: tuple[tuple[str, int], ...]
    deductions: tuple[tuple[str, int], ...]
    tax: tuple[tuple[str, int], ...]
    dependants: tuple[tuple[str, int], ...]
    address_on_january_1: str | None = None


class Resident(_File, frozen=True):
    """One resident record (住民票)."""

    id: str
    shows: str
    name: str
    birth_date: date
    sex: str
    relation: str
    resident_since: date
    address_since: date
    kana: str | None = None
    alias: str | None = None
    former_name: str | None = None
    notified_on: date | None = None
    previous_address: str | None = None
    domicile: str | None = None
    family_head: str | None = None
    nationality: str | None = None
    article_30_45: str | None = None
    residence_status: str | None = None
    residence_period: str | None = None
    residence_expiry: date | None = None
    my_number: str | None = None
    former_name_kana: str | None = None
    katakana_name: str | None = None
    residence_card_number: str | None = None
    deceased: bool = False
    moved_out: bool = False
    move_out_planned: bool = False
    support_measure: bool = False
    gaiji_pending: bool = False
    seal: bool = False
    tax: Tax | None = None
    card: Card | None = None


class Household(_File, frozen=True):
    """People at one address; head: name of the 世帯主, by default the first resident's."""

    id: str
    address: str
    resident: tuple[Resident, ...]
    head: str | None = None

    @property
    def head_name(self) -> str:
        """The name printed as 世帯主."""
        return self.head or self.resident[0].name


class Visitor(_File, frozen=True):
    """Somebody this municipality does not know."""

    id: str
    shows: str
    card: Card


class People(_File, frozen=True):
    """The whole register."""

    household: tuple[Household, ...]
    visitor: tuple[Visitor, ...] = ()

    def residents(self) -> list[tuple[Household, Resident]]:
        """Everybody registered, with the household."""
        return [(household, resident) for household in self.household for resident in household.resident]

    def cards(self) -> dict[str, Card]:
        """Card folder name to what lies in it."""
        holders = {resident.id: resident.card for _, resident in self.residents()}
        holders |= {visitor.id: visitor.card for visitor in self.visitor}
        return {name: card for name, card in holders.items() if card is not None}


class City(_File, frozen=True):
    """What the municipality decides; see city.toml."""

    code: str
    name: str
    prefecture: str
    mayor: str
    audience: str
    fee_yen: dict[Kind, int]
    max_copies: int
    minimum_age: int
    tax_year_begins_month: int
    opens: time
    closes: time
    signature_seconds: int
    session_seconds: int
    reservation_seconds: int
    replica_lag_seconds: int
    catalogue: str
    policies: tuple[str, ...]
    production: bool
    root_sha256: tuple[str, ...]
    ocsp_url: str
    front_code: bool
    limits: dict[str, int]
    operator: "Operator"
    closures: tuple["Closure", ...] = ()
    fee_changes: tuple["FeeChange", ...] = ()
    reprint_seconds: int = 900
    most_reprints: int = 2


class Closure(_File, frozen=True):
    """Days without service, both included; kinds: only these are not issued, none is all of them."""

    begins: date
    ends: date
    kinds: tuple[Kind, ...] = ()


class FeeChange(_File, frozen=True):
    """Fees of a copy from this day on; kinds that are not named keep theirs."""

    begins: date
    fee_yen: dict[Kind, int]


class Operator(_File, frozen=True):
    """When the operator's page calls a kiosk silent, short of change, or old, and asks for an order's end."""

    silent_seconds: int
    fewest_change_coins: int
    oldest_firmware: str
    open_order_seconds: int


def load_people(today: date, path: Path = PEOPLE) -> People:
    """Read a register; "today" in it becomes this day. Raises msgspec.ValidationError naming the key."""
    text = path.read_text(encoding="utf-8").replace('"today"', today.isoformat())
    return msgspec.convert(tomllib.loads(text), People)


def load_city(path: Path = CITY) -> City:
    """Read a city. Raises msgspec.ValidationError naming the key."""
    return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), City)
