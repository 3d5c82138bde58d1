"""Clips made louder, softer, slower or faster for one listener: pure arithmetic on samples."""

import wave
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float64]

_WINDOW_SECONDS, _SEARCH_SECONDS = 0.04, 0.01
_LARGEST = 32767


def pcm(clips: Sequence[Path], *, gain_db: float, rate: float) -> tuple[bytes, int]:
    """These mono files of 16 bits as one stream, and its samples a second.

    rate: 2.0 is twice as fast, with the pitch kept. Raises OSError or wave.Error for a file that is none, and
    ValueError for clips of different rates.
    """
    import numpy as np  # noqa: PLC0415 - not at a start: a kiosk may be silent, and one that talks has the time

    parts, hertz = [], 0
    for path in clips:
        with wave.open(str(path)) as file:
            if hertz not in {0, file.getframerate()}:
                raise ValueError(f"{path}: {file.getframerate()} samples a second, others have {hertz}")
            hertz = file.getframerate()
            parts.append(np.frombuffer(file.readframes(file.getnframes()), dtype="<i2"))
    sound = np.concatenate(parts).astype(np.float64) if parts else np.zeros(0)
    louder = stretched(sound, rate, hertz) * 10 ** (gain_db / 20)
    return np.clip(np.round(louder), -_LARGEST, _LARGEST).astype("<i2").tobytes(), hertz


def stretched(sound: "Samples", rate: float, hertz: int) -> "Samples":
    """The same words at another pace: windows overlap where they look alike, so that no beat is heard.

    Source: W. Verhelst, M. Roelands, WSOLA, ICASSP 1993.
    """
    import numpy as np  # noqa: PLC0415

    window, search = 2 * round(_WINDOW_SECONDS * hertz / 2), round(_SEARCH_SECONDS * hertz)
    hop = window // 2
    if rate == 1.0 or len(sound) < 2 * window:
        return sound
    steps = int((len(sound) - window) / (hop * rate))
    source = np.concatenate([np.zeros(search), sound, np.zeros(window + search)])
    fade = np.hanning(window + 1)[:window]
    out, at = np.zeros(hop * steps + window), search
    for step in range(steps + 1):
        if step:
            wanted = source[at + hop : at + hop + window]
            first = round(step * hop * rate)
            alike = np.correlate(source[first : first + window + 2 * search], wanted, "valid")
            at = first + int(np.argmax(alike))
        out[step * hop : step * hop + window] += fade * source[at : at + window]
    return out
