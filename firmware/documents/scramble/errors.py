"""Why a scramble image gives no verdict of genuine."""

from firmware.errors import DocumentError


class ScrambleError(DocumentError):
    """Base of what can be wrong with a scramble image."""


class Unreadable(ScrambleError):
    """No image was found, or it is too damaged: nothing is said of what it carries."""


class NoImage(Unreadable):
    """Nothing on the picture looks like a scramble image."""


class NotGenuine(ScrambleError):
    """It was read without a doubt, and no municipality that is known made it so."""


class TooLong(ScrambleError):
    """More bytes than the raster holds."""
