"""Everything of a person that passes the kiosk in a visit, as words and bytes to look for.

One household of the register gets values that nobody else has and nothing makes by accident. Values of
less than six bytes are looked for in their longer forms only, and a number in memory as a number of the
processor, whose few bytes mean nothing, is not found.
"""

import base64
import io
import sqlite3
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import tomli_w
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from PIL import Image

from firmware.documents.era import ERAS, era_date, western_date
from firmware.municipality.challenge import PREFIX
from tests.erasure import forms_of, words
from tests.municipality.register import PEOPLE, Household, load_people

HOUSEHOLD, HOLDER, STRANGER = "shiken", "shiken_taro", "mihon_hitori"
_PIECE_BYTES, _MOST_PIECES = 32, 8
_PEM_COLUMNS = 64
_DISTINCT_OCTETS = 8
_VERIFY = bytes.fromhex("0020008004")
_INVENTED: Mapping[str, Mapping[str, Any]] = {
    "shiken_taro": {
        "kana": "シケンカナリア　タロウベエ",
        "alias": "金糸雀試験　太朗兵衛",
        "former_name": "旧氏金糸雀",
        "former_name_kana": "キュウウジカナリア",
        "katakana_name": "カナリア　タロウ　テストパーソン",
        "birth_date": date(1957, 9, 23),
        "resident_since": date(1958, 11, 19),
        "address_since": date(2007, 10, 27),
        "notified_on": date(2007, 10, 29),
        "previous_address": "群馬県架空市金糸雀町四十九番地の八十七",
        "domicile": "群馬県架空市本籍金糸雀町六丁目二百三十一番",
        "family_head": "筆頭金糸雀　太朗兵衛",
        "tax": {
            "income": [["給与収入", 7381926415], ["給与所得", 6194728357], ["不動産所得", -8295137462]],
            "deductions": [["社会保険料控除", 9351762841], ["基礎控除", 4762918533]],
            "tax": [["市民税所得割額", 2897413695], ["県民税所得割額", 1938526471], ["年税額", 4835940166]],
            "dependants": [["控除対象配偶者", 1]],
            "address_on_january_1": "群馬県架空市一月一日金糸雀町十七番地",
        },
    },
    "shiken_hanayo": {
        "kana": "シケンカナリア　ハナヨ",
        "former_name": "旧氏紅雀",
        "former_name_kana": "キュウウジベニスズメ",
        "birth_date": date(1961, 6, 28),
        "previous_address": "群馬県架空市紅雀町五十三番地の七十八",
        "domicile": "群馬県架空市本籍紅雀町三丁目百八十二番",
        "family_head": "筆頭紅雀　太朗兵衛",
    },
    "shiken_jiro": {
        "kana": "シケンカナリア　ジロウマル",
        "alias": "金糸雀試験　二朗丸",
        "nationality": "架空連邦金糸雀国",
        "article_30_45": "中長期在留金糸雀者",
        "residence_status": "家族滞在（金糸雀）",
        "residence_period": "３年７月",
        "residence_expiry": date(2037, 8, 29),
        "residence_card_number": "ZQ73819264XJ",
        "birth_date": date(2017, 7, 26),
    },
}


def invent(folder: Path) -> Path:
    """The register with the household's invented values, as a file in folder."""
    register = tomllib.loads(PEOPLE.read_text(encoding="utf-8"))
    found: set[str] = set()
    for household in register["household"]:
        for resident in household["resident"]:
            invented = _INVENTED.get(resident["id"], {})
            resident.update(invented)
            found |= {resident["id"]} if invented else set()
    if missing := set(_INVENTED) - found:
        raise LookupError(f"{PEOPLE} has no {', '.join(sorted(missing))}")
    path = folder / "people.toml"
    path.write_text(tomli_w.dumps(register), encoding="utf-8")
    return path


def people(register: Path) -> dict[str, tuple[bytes, ...]]:
    """Every personal word of the household as sent or printed: names, places, numbers, days, yen."""
    known = load_people(date.today(), register)  # noqa: DTZ011 - any day will do
    (household,) = (one for one in known.household if one.id == HOUSEHOLD)
    found: set[str] = set()
    for text in set(_words(household)):
        found |= {text, text.replace(",", "")}
    return words(found)


def _words(household: Household) -> Iterator[str]:
    yield household.address
    yield household.head_name
    for who in household.resident:
        spelled = (who.name, who.kana, who.alias, who.former_name, who.former_name_kana, who.katakana_name)
        places = (who.previous_address, who.domicile, who.family_head, who.nationality, who.article_30_45)
        yield from filter(None, (*spelled, *places, who.residence_card_number))
        if who.my_number:
            yield from (who.my_number, f"{who.my_number[:4]} {who.my_number[4:8]} {who.my_number[8:]}")
        invented = _INVENTED.get(who.id, {})
        for day in filter(None, (value for value in invented.values() if isinstance(value, date))):
            yield from (day.isoformat(), era_date(day, ERAS), western_date(day))
        if who.id == HOLDER and who.tax is not None:
            yield who.tax.address_on_january_1 or household.address
            for _, yen in (*who.tax.income, *who.tax.deductions, *who.tax.tax):
                yield f"{abs(yen):,}"


def seal(png: bytes) -> dict[str, tuple[bytes, ...]]:
    """印影: the file in pieces, and the rows of its picture, ink as 0 and as 1."""
    with Image.open(io.BytesIO(png)) as picture:
        rows = picture.tobytes()
        width = (picture.width + 7) // 8
    telling = [row for row in _cut(rows, width) if len(set(row)) >= _DISTINCT_OCTETS]
    if len(telling) < _MOST_PIECES:
        raise ValueError("the seal's picture has too few rows that tell it from another")
    chosen = _some(telling)
    inverted = [bytes(octet ^ 0xFF for octet in row) for row in chosen]
    return {
        "seal": _in_forms(_some(_cut(png, _PIECE_BYTES)[1:])),
        "rows of the seal": _in_forms(row[:-1].strip(b"\0\xff") for row in (*chosen, *inverted)),
    }


def certificate(cards: Path) -> dict[str, tuple[bytes, ...]]:
    """The holder's 利用者証明用電子証明書: pieces of the DER, lines of the PEM, name and number.

    cards: the folder of card folders. What a stranger's has as well says nothing.
    """
    der = (cards / HOLDER / "certificate.der").read_bytes()
    others = (cards / STRANGER / "certificate.der").read_bytes() + (cards / HOLDER / "ca.der").read_bytes()
    parsed = x509.load_der_x509_certificate(der)
    pem = parsed.public_bytes(serialization.Encoding.PEM).splitlines()[1:-1]
    (common_name,) = parsed.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    number = parsed.serial_number
    octets = number.to_bytes((number.bit_length() + 7) // 8, "big")
    own = _some([piece for piece in _cut(der, _PIECE_BYTES) if piece not in others])
    lines = [
        line
        for line in pem
        if len(line) == _PEM_COLUMNS and base64.b64decode(line)[:_PIECE_BYTES] not in others
    ]
    named = words([str(common_name.value), str(number), f"{number:x}", f"{number:X}", octets.hex(":")])
    return {
        "certificate": tuple(sorted({*_in_forms(own), *lines})),
        "holder's number": tuple(sorted({form for forms in named.values() for form in forms} | {octets})),
    }


def sessions(database: Path, cards: Path) -> dict[str, tuple[bytes, ...]]:
    """What stood for the person at the municipality: session, person's reference, challenge and signature.

    database: the reference municipality's. Challenge and signature without the names of both sides.
    """
    key = serialization.load_pem_private_key((cards / HOLDER / "key.pem").read_bytes(), None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError(f"{HOLDER} has no RSA key")
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as opened:
        rows = opened.execute(
            "SELECT id, person_ref, tbs FROM session WHERE resident = ?", (HOLDER,)
        ).fetchall()
    opened.close()
    found: dict[str, set[bytes]] = {"session": set(), "reference": set(), "signature": set()}
    for session_id, person_ref, tbs in rows:
        found["session"] |= set(forms_of(session_id))
        found["reference"] |= set(forms_of(person_ref or ""))
        signature = key.sign(PREFIX + tbs, padding.PKCS1v15(), hashes.SHA256())
        found["signature"] |= set(_in_forms(_cut(signature, _PIECE_BYTES)))
    return {name: tuple(sorted(forms)) for name, forms in found.items() if forms}


def pin_commands(*pins: str) -> dict[str, tuple[bytes, ...]]:
    """VERIFY with each of these PINs as it goes to the card and as bytes are written down, and what says that
    its digits are a PIN; four digits alone are anybody's.
    """
    found: set[bytes] = set()
    for pin in pins:
        command = _VERIFY + pin.encode("ascii")
        found |= {*_in_forms([command]), command.hex(" ").encode(), command.hex(" ").upper().encode()}
        found |= {f'"pin":"{pin}"'.encode(), f'"pin": "{pin}"'.encode(), str([*pin]).encode()}
        found |= {f"(b'{pin}')".encode(), ",".join(str(octet) for octet in command).encode()}
    return {"PIN command": tuple(sorted(found))}


def _some(pieces: list[bytes]) -> list[bytes]:
    """A few, from the beginning to the end."""
    return pieces[:: max(1, len(pieces) // _MOST_PIECES)][:_MOST_PIECES]


def _cut(octets: bytes, size: int) -> list[bytes]:
    return [octets[at : at + size] for at in range(0, len(octets) - size + 1, size)]


def _in_forms(pieces: Iterable[bytes]) -> tuple[bytes, ...]:
    """As they are, as hex digits and as base64 at each alignment."""
    found: set[bytes] = set()
    for piece in pieces:
        found |= {piece, piece.hex().encode(), piece.hex().upper().encode()}
        for skipped in range(3):
            whole = piece[skipped : skipped + (len(piece) - skipped) // 3 * 3]
            spelled: tuple[Callable[[bytes], bytes], ...] = (base64.b64encode, base64.urlsafe_b64encode)
            found |= {spell(whole) for spell in spelled if len(whole) >= 9}
    return tuple(sorted(found))
