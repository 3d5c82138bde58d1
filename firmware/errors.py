"""Errors are named by what the caller can do, and say what is known about the act that failed."""

from typing import ClassVar

from firmware.core.terms import CardRefusal, Certainty, Refusal
from firmware.core.wording import Sentence, told


class MadoguchiError(Exception):
    """Base of every error this program raises on purpose."""

    certainty: ClassVar[Certainty] = Certainty.NOT_DONE


class ConfigError(MadoguchiError, ValueError):
    """A configuration cannot be used; the message names file, key and what was expected."""


class KeyStoreFault(ConfigError):
    """The TPM that keeps the device's key, or the way to it, does not serve; it may be back later.

    reason: in one word, such as tpm-absent.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(f"municipality.key_store: {reason}: {text}")
        self.reason, self.text = reason, text


class DeviceGone(MadoguchiError, ConnectionError):
    """A device does not answer or vanished; its adapter reconnects by itself."""


class CardUnusable(MadoguchiError, ValueError):
    """The thing presented cannot be used; refusal says which sentence helps the person."""

    def __init__(self, refusal: CardRefusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal


class CardGone(MadoguchiError, ConnectionError):
    """The card left the field or stopped answering; ask the person to present it again."""


class PinWrong(MadoguchiError, PermissionError):
    """The card refused the PIN; tries_left more wrong ones lock it."""

    def __init__(self, tries_left: int) -> None:
        super().__init__(f"{tries_left} tries left")
        self.tries_left = tries_left


class PinBlocked(MadoguchiError, PermissionError):
    """The card's PIN is locked; only the municipality can reset it (R10)."""


class PinUncertain(MadoguchiError, ConnectionError):
    """VERIFY left us and no sure answer came. Never send it again: read the tries first."""

    certainty = Certainty.UNKNOWN


class MunicipalityError(MadoguchiError):
    """The municipality's backend could not be used; nothing was carried out there."""


class MunicipalityDown(MunicipalityError, ConnectionError):
    """The backend cannot be reached, or refused the connection, before the request left us."""


class CertificateUnproven(MunicipalityDown):
    """The municipality gave us a certificate and does not let us in with it: the old one stays in use."""


class MunicipalityUncertain(MunicipalityError, TimeoutError):
    """The request left us and no usable answer came: it may have been carried out.

    Do not repeat it under a new id; ask about the same order first.
    """

    certainty = Certainty.UNKNOWN


class MunicipalityAnswerInvalid(MunicipalityUncertain, ValueError):
    """The backend answered with something that is not in the protocol; names message and field."""


class Refused(MunicipalityError, PermissionError):
    """The backend decided not to do it and said why."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal


class ReportRefused(MunicipalityError, ValueError):
    """What was reported contradicts the backend's own books; repeating it changes nothing.

    code: the protocol's word for it.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class DocumentError(MadoguchiError, ValueError):
    """The document cannot be made from what was sealed for it; nothing was printed."""


class PrintNotSubmitted(MadoguchiError):
    """The job was certainly not handed to the printer."""


class PrintUncertain(MadoguchiError, TimeoutError):
    """The job may have been handed to the printer; follow it by its name."""

    certainty = Certainty.UNKNOWN


class ToldToStaff(MadoguchiError, ValueError):
    """A message for staff; sentence: the same, to be said in their language.

    text: see `firmware.core.wording.told`; literal, or a sentence that somebody else has made.
    """

    def __init__(self, text: str | Sentence, /, **values: object) -> None:
        self.sentence = text if isinstance(text, Sentence) else Sentence(text, values)
        super().__init__(str(self.sentence))


class OfficeRefused(ToldToStaff):
    """Staff asked for what may not be now; the message says why and what to do. Nothing was entered."""


class ConsoleError(ToldToStaff):
    """The kiosk's console cannot be reached, or what came over it is no message of it."""


class JournalError(MadoguchiError, OSError):
    """A record is not certainly on disk: close the coin slot and stop."""

    certainty = Certainty.UNKNOWN


class PublicationInvalid(MadoguchiError, PermissionError):
    """What was fetched is no publication of our municipality that may be used now. reason: one word."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"no publication to be used: {reason}")
        self.reason = reason


class OrderInvalid(MadoguchiError, PermissionError):
    """What was shown at login is no maintenance order for this kiosk now. reason: one word."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        self.sentence = told("no maintenance order: {reason}", reason=Sentence(reason, {}))
        super().__init__(str(self.sentence))
