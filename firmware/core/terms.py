"""The words of the field, one spelling each."""

import enum
from dataclasses import dataclass
from typing import NewType

VisitId = NewType("VisitId", str)
"""128 random bits as 32 hex digits, drawn by the shell, used once. 受付"""

OrderId = NewType("OrderId", str)
"""The issuance asked of the municipality; derived from the visit, journaled before it is sent. 発行要求"""

Yen = int
"""Money is a whole number of yen."""


class CertificateKind(enum.Enum):
    """What the resident can buy here. Names follow the municipal forms."""

    JUMINHYO = "juminhyo"  # 住民票の写し  copy of the resident record
    INKAN = "inkan"  # 印鑑登録証明書  seal registration
    SHOTOKU = "shotoku"  # 所得課税証明書  income and tax


class Subjects(enum.Enum):
    """Whose record a 住民票の写し shows."""

    SELF = "self"  # 本人のみ
    HOUSEHOLD = "household"  # 世帯全員
    MEMBERS = "members"  # 世帯の一部


class MemberRole(enum.Enum):
    """What a member is to the head of the household (続柄, coarsely); whoever stands at the kiosk is SELF."""

    SELF = "self"  # 本人
    HEAD = "head"  # 世帯主
    SPOUSE = "spouse"  # 夫・妻, also 未届
    CHILD = "child"  # 子
    PARENT = "parent"  # 父・母
    GRANDCHILD = "grandchild"  # 子の子
    SIBLING = "sibling"  # 兄弟姉妹
    SPOUSE_PARENT = "spouse_parent"  # 夫・妻の父・母
    CHILD_SPOUSE = "child_spouse"  # 子の夫・妻
    OTHER = "other"  # 縁故者, 同居人 …


class RecordItem(enum.Enum):
    """Optional items of a 住民票の写し; all off until chosen."""

    HEAD_AND_RELATION = "head_and_relation"  # 世帯主・続柄
    REGISTERED_DOMICILE = "registered_domicile"  # 本籍・筆頭者
    MY_NUMBER = "my_number"  # 個人番号（マイナンバー）


class Certainty(enum.Enum):
    """What is known about an irreversible act."""

    DONE = "done"
    NOT_DONE = "not_done"
    UNKNOWN = "unknown"


class KeypadKey(enum.Enum):
    """The keys of the keypad; 訂正 corrects, 取消 stops, 確定 goes on."""

    DIGIT_0 = "0"
    DIGIT_1 = "1"
    DIGIT_2 = "2"
    DIGIT_3 = "3"
    DIGIT_4 = "4"
    DIGIT_5 = "5"
    DIGIT_6 = "6"
    DIGIT_7 = "7"
    DIGIT_8 = "8"
    DIGIT_9 = "9"
    CORRECT = "correct"  # 訂正
    CANCEL = "cancel"  # 取消
    CONFIRM = "confirm"  # 確定

    @property
    def digit(self) -> int | None:
        """0–9 for a digit key, None for 訂正, 取消 and 確定."""
        return int(self.value) if self.value.isdigit() else None


class CardKind(enum.Enum):
    """What was presented, told by its applications and token label, never by its ATR."""

    MY_NUMBER_CARD = "my_number_card"  # マイナンバーカード
    JUKI_CARD = "juki_card"  # 住民基本台帳カード
    SMARTPHONE = "smartphone"  # スマホ用電子証明書
    DRIVING_LICENCE = "driving_licence"  # 運転免許証
    RESIDENCE_CARD = "residence_card"  # 在留カード・特別永住者証明書
    FELICA = "felica"  # 交通系などの FeliCa
    BANK_CARD = "bank_card"  # クレジットカード・デビットカード
    OTHER = "other"  # anything without the JPKI application


class CardRefusal(enum.Enum):
    """Why a card cannot be used; each has its sentence on the screen."""

    NOT_A_MY_NUMBER_CARD = "not_a_my_number_card"
    JUKI_CARD = "juki_card"
    SMARTPHONE = "smartphone"
    DRIVING_LICENCE = "driving_licence"
    RESIDENCE_CARD = "residence_card"
    FELICA = "felica"
    BANK_CARD = "bank_card"
    NO_CERTIFICATE = "no_certificate"  # user-authentication certificate absent
    CERTIFICATE_EXPIRED = "certificate_expired"
    CERTIFICATE_NOT_YET_VALID = "certificate_not_yet_valid"
    SEVERAL_CARDS = "several_cards"  # the reader shows now one card, now another
    UNREADABLE = "unreadable"  # mute or garbled; also two cards of which neither can be powered up
    MOVED = "moved"  # it answered and then was gone
    READER_FAULT = "reader_fault"  # the reader or its service is gone, or another program holds it


class Strike(enum.Enum):
    """What counts toward the kiosk's own lockout."""

    WRONG_PIN = "wrong_pin"
    LOCKED_CARD = "locked_card"
    WRONG_CARD = "wrong_card"


class Refusal(enum.Enum):
    """Why the municipality does not issue. The screen shows private ones all alike: 窓口へ (R7)."""

    UNDER_15 = "under_15"
    MOVED_OUT = "moved_out"
    MOVE_OUT_PLANNED = "move_out_planned"
    SUPPORT_MEASURE = "support_measure"
    DECEASED = "deceased"
    OVER_CHAR_LIMIT = "over_char_limit"
    MOVED_IN_TODAY = "moved_in_today"
    GAIJI_PENDING = "gaiji_pending"
    SEAL_NOT_REGISTERED = "seal_not_registered"
    NO_TAX_RECORD = "no_tax_record"
    REPLICA_STALE = "replica_stale"
    OUTSIDE_HOURS = "outside_hours"
    MAINTENANCE = "maintenance"
    NOT_THIS_MUNICIPALITY = "not_this_municipality"
    CERT_REVOKED = "cert_revoked"
    CERT_EXPIRED = "cert_expired"
    CERT_NOT_TRUSTED = "cert_not_trusted"
    SIGNATURE_INVALID = "signature_invalid"
    REPRINT_REFUSED = "reprint_refused"  # too late, too often, or given back


class Page(enum.Enum):
    """What is known of the page on the display. The values stand in the log."""

    AWAITED = "awaited"  # none has drawn yet, minutes after the start at most
    DRAWS = "draws"
    MISSING = "missing"  # none has drawn since the start: a machine may have no display
    GONE = "gone"  # it drew, and has been silent for minutes


class PrinterReason(enum.Enum):
    """Why an A4 printer cannot print now. Keywords of RFC 8011 section 5.4.12, suffix removed."""

    UNREACHABLE = "unreachable"
    STOPPED = "stopped"
    MEDIA_EMPTY = "media-empty"
    MEDIA_NEEDED = "media-needed"
    MEDIA_JAM = "media-jam"
    COVER_OPEN = "cover-open"
    TONER_EMPTY = "toner-empty"
    MARKER_SUPPLY_EMPTY = "marker-supply-empty"
    INPUT_TRAY_MISSING = "input-tray-missing"
    SPOOL_AREA_FULL = "spool-area-full"
    JOBS_WAITING = "jobs-waiting"


class PrinterSupply(enum.Enum):
    """What an A4 printer will soon need. Keywords of RFC 8011 section 5.4.12, suffix removed."""

    MEDIA_LOW = "media-low"
    TONER_LOW = "toner-low"
    MARKER_SUPPLY_LOW = "marker-supply-low"
    MARKER_WASTE_ALMOST_FULL = "marker-waste-almost-full"
    OUTPUT_AREA_ALMOST_FULL = "output-area-almost-full"


class ServiceHours(enum.Enum):
    """Whether a visit may begin (R3)."""

    OPEN = "open"
    CLOSING = "closing"  # last minutes: a running visit goes on, no new one begins
    CLOSED = "closed"
    MAINTENANCE = "maintenance"


class Language(enum.Enum):
    """Languages of the screen; each value names a file in `config/messages`."""

    JA = "ja"
    EN = "en"
    ZH = "zh"  # simplified
    KO = "ko"
    PT = "pt"  # of Brazil
    VI = "vi"
    EASY = "easy"  # やさしい日本語, plain Japanese with readings


class Aid(enum.Enum):
    """What makes the screen easier for one person; off again for the next."""

    LARGE = "large"  # 大きい字
    CONTRAST = "contrast"  # 白黒反転
    VOICE = "voice"  # 音声


MOST_MEMBERS = 45
"""A household of more is issued whole, or for the person alone: its members cannot be chosen singly."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of the household as the kiosk knows them. number: opaque, of one session.

    position: among those of the same role, from the eldest; 0 where nobody else has it.
    """

    number: int
    role: MemberRole
    position: int = 0


@dataclass(frozen=True, slots=True)
class Offer:
    """A certificate the person may have now; household: 世帯全員 is possible.

    members: those who can be chosen singly (世帯の一部), in the order of the register; empty if none can.
    """

    kind: CertificateKind
    fee_yen: Yen
    max_copies: int
    household: bool
    members: tuple[Member, ...] = ()


class Role(enum.Enum):
    """What a maintenance order (保守指示) lets its bearer do."""

    LOOK = "look"  # 状態を見る
    CASH = "cash"  # 釣銭・回収
    SERVICE = "service"  # 点検・保守
    SETTLE = "settle"  # 締め・返金
    SYSTEM = "system"  # 設定・再起動
