"""Why a scramble image gives no verdict of genuine, said in Japanese and in English."""

from dataclasses import dataclass

from firmware.errors import DocumentError


@dataclass(frozen=True, slots=True)
class Sentence:
    """The same in both languages: Japanese for the person at the paper, English with the particulars."""

    ja: str
    en: str


class ScrambleError(DocumentError):
    """Base of what can be wrong with a scramble image."""

    usual = "スクランブル画像を扱えません。"

    def __init__(self, en: str, ja: str | None = None) -> None:
        """ja: where the usual sentence of the class says too little."""
        super().__init__(en)
        self.sentence = Sentence(ja or self.usual, en)


class Unreadable(ScrambleError):
    """No image was found, or it is too damaged: nothing is said of what it carries."""

    usual = "スクランブル画像が汚れや折れ、読み取りの粗さのため読み取れません。"


class NoImage(Unreadable):
    """Nothing on the picture looks like a scramble image."""

    usual = "スクランブル画像が見つかりません。"


class NotGenuine(ScrambleError):
    """It was read without a doubt, and no municipality that is known made it so."""

    usual = "スクランブル画像の内容が、市区町村の発行する形式と合いません。"


class TooLong(ScrambleError):
    """More bytes than the raster holds."""
