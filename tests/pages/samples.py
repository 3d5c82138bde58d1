"""Documents to print in tests: plain ones, and ones with every field as long as R14 allows."""

import base64
import io
from typing import Any

import msgspec
from PIL import Image, ImageDraw

from firmware.documents.bitmap import Bitmap, read_seal
from firmware.documents.contents import Contents, Inkan, Juminhyo, Shotoku
from firmware.documents.sealed import Opened
from tests.municipality.scramble import Office, protect

MY_NUMBER = "123456789018"
"""A 個人番号 of nobody, with its check digit."""

CARD_NUMBER = "ZZ00000000ZZ"
"""A 在留カード番号 of nobody."""

ADDRESS = "群馬県渋川市石原８０番地"
NUMBER = "10208-20261122-00000001"
OFFICE = Office.new()
"""The municipality whose keys sign the backs."""

R14_LIMITS = {
    "address": 94,
    "head": 82,
    "name": 58,
    "alias": 20,
    "relation": 13,
    "domicile": 66,
    "family_head": 24,
    "nationality": 14,
    "article_30_45": 13,
    "residence_status": 14,
    "residence_period": 4,
    "previous_address": 66,
}

_LONG = {
    "address": "群馬県渋川市伊香保町伊香保字香湯五百四十一番地四　タワー（参番館）Ａ棟－一二〇三号室　",
    "head": "ペドロ・デ・アルカンタラ・フランシスコ・アントニオ・ジョアン（渋川伊香保之介左衛門尉）",
    "name": "ペドロ・デ・アルカンタラ・フランシスコ・アントニオ・ジョアン・",
    "alias": "渋川伊香保之介左衛門尉藤原朝臣",
    "relation": "妻の子の配偶者（未届）の縁故者",
    "domicile": "群馬県渋川市伊香保町伊香保字香湯五百四十一番地四　",
    "family_head": "勘解由小路左衛門佐三郎右衛門尉",
    "nationality": "セントビンセント及びグレナディーン諸島",
    "article_30_45": "一時庇護許可者又は仮滞在許可者",
    "residence_status": "高度専門職第１号ロ（技術・人文知識",
    "residence_period": "５年６月",
    "previous_address": "群馬県前橋市大手町一丁目１番１号　グランドコート・",
}


def longest(field: str) -> str:
    """A value of exactly as many characters as R14 allows."""
    return (_LONG[field] * 9)[: R14_LIMITS[field]]


def png(pixels: int, mode: str = "1", image_format: str = "PNG") -> bytes:
    """A square seal: a ring of ink with a bar, on paper."""
    image = Image.new("1", (pixels, pixels), 1)
    draw = ImageDraw.Draw(image)
    draw.ellipse((8, 8, pixels - 9, pixels - 9), outline=0, width=12)
    draw.rectangle((pixels // 3, pixels // 2 - 8, 2 * pixels // 3, pixels // 2 + 8), fill=0)
    file = io.BytesIO()
    image.convert(mode).save(file, image_format)
    return file.getvalue()


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def city_seal() -> Bitmap:
    return read_seal(png(567))


def person(**changes: Any) -> dict[str, Any]:
    """Somebody who moved into the city in 2008 and within it in 2013, or was born there since."""
    born = changes.get("birth_date", "1980-05-05")
    return {
        "name": "渋川　太郎",
        "kana": "シブカワ　タロウ",
        "birth_date": "1980-05-05",
        "sex": "男",
        "relation": None,
        "resident_since": max("2008-04-01", born),
        "address_since": max("2013-06-01", born),
        "notified_on": "2013-06-03" if born < "2013-06-01" else None,
        "previous_address": "群馬県前橋市大手町一丁目１番１号" if born < "2008-04-01" else None,
        "domicile": None,
        "family_head": None,
        "alias": None,
        "former_name": None,
        "nationality": None,
        "article_30_45": None,
        "residence_status": None,
        "residence_period": None,
        "residence_expiry": None,
    } | changes


def relative(name: str, kana: str, relation: str, born: str, sex: str, **changes: Any) -> dict[str, Any]:
    """A member of a family of Japanese nationality."""
    family = {"domicile": ADDRESS, "family_head": "渋川　太郎"} | changes
    return person(name=name, kana=kana, relation=relation, birth_date=born, sex=sex, **family)


def longest_person() -> dict[str, Any]:
    fields = {field: longest(field) for field in R14_LIMITS if field not in {"address", "head"}}
    return person(
        kana="ヤマベサキタカヨシタロウザエモン・" * 3,
        residence_expiry="2031-12-31",
        former_name="勘解由小路左衛門佐三郎",
        former_name_kana="カデノコウジサエモンノスケサブロウ",
        residence_card_number=CARD_NUMBER,
        **fields,
    )


def juminhyo(persons: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    return {
        "address": ADDRESS,
        "head": None,
        "whole_household": len(persons) > 1,
        "persons": persons,
    } | changes


def household_with_variants() -> dict[str, Any]:
    """Four persons whose names need variation sequences, rare kanji and 変体仮名."""
    persons = [
        relative("渡邊\U000e0109　髙太郎", "ワタナベ　タカタロウ", "世帯主", "1959-04-10", "男"),
        relative("渡邊\U000e010f　𠮷子", "ワタナベ　ヨシコ", "妻", "1961-09-08", "女"),
        relative(
            "葛\U000e0104﨑　辻\U000e0102雄",
            "カツサキ　ツジオ",
            "子の夫",
            "1984-07-06",
            "男",
            alias="か\u309aき\u309a　𛀁",
        ),
        relative("𠮟　𩸽美", "シカル　ホッケミ", "子", "1989-01-08", "女"),
    ]
    return juminhyo(persons, head="渡邊\U000e0109　髙太郎")


def inkan(**changes: Any) -> dict[str, Any]:
    return {
        "name": "渋川　太郎",
        "kana": "シブカワ　タロウ",
        "alias": None,
        "birth_date": "1980-05-05",
        "address": ADDRESS,
        "seal": base64url(png(591)),
    } | changes


def shotoku(**changes: Any) -> dict[str, Any]:
    return {
        "fiscal_year": 2026,
        "income_year": 2025,
        "name": "渋川　太郎",
        "birth_date": "1980-05-05",
        "address": ADDRESS,
        "address_on_january_1": ADDRESS,
        "income": [{"label": "給与収入", "yen": 4_200_000}, {"label": "不動産所得", "yen": -310_000}],
        "deductions": [{"label": "小規模企業共済等掛金控除", "yen": 276_000}],
        "tax": [{"label": "年税額", "yen": 183_400}],
        "dependants": [{"label": "１６歳未満", "count": 2}],
    } | changes


def contents(kind: str, document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The plaintext of sealed contents, as JSON types."""
    return {
        "v": 1,
        "order_id": "order-1",
        "session_id": "session-1",
        "kiosk": "urn:uuid:00000000-0000-4000-8000-000000000001",
        "person_ref": "person-1",
        "kind": kind,
        "copies": 1,
        "number": NUMBER,
        "issued_on": "2026-11-22",
        "municipality": {"name": "渋川市", "prefecture": "群馬県", "mayor": "渋川市長　渋　川　太　郎"},
        "document": document,
    } | changes


def protected(plaintext: dict[str, Any]) -> dict[str, Any]:
    """The same with backs that the municipality signed for it."""
    if "protection" in plaintext:
        return plaintext
    return plaintext | {"protection": protect(OFFICE, plaintext, png(567)).as_contents()}


def opened(kind: str, document: dict[str, Any], **changes: Any) -> Opened:
    """The same after opening."""
    decoded = msgspec.json.decode(
        msgspec.json.encode(protected(contents(kind, document, **changes))), type=Contents
    )
    document_type = {"juminhyo": Juminhyo, "inkan": Inkan, "shotoku": Shotoku}[kind]
    return Opened(decoded, msgspec.json.decode(bytes(decoded.document), type=document_type))
