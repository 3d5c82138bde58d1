"""Reed-Solomon codes over GF(2^8), many codewords at once.

Field polynomial 0x11D, generator with the roots a^0 … a^(parity-1), first byte the highest power, as in
ISO/IEC 18004. Decoding: R. E. Blahut, Theory and Practice of Error Control Codes, 1983, chapters 7 and 9.
Why not a library: decision 11.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

_LENGTH = 255


def _tables() -> tuple[Bytes, Bytes, NDArray[np.int16]]:
    power = np.zeros(2 * _LENGTH, np.uint8)
    log = np.zeros(256, np.int16)
    value = 1
    for exponent in range(_LENGTH):
        power[exponent] = power[exponent + _LENGTH] = value
        log[value] = exponent
        value = (value << 1) ^ (0x11D if value & 0x80 else 0)
    product = power[log[:, None] + log[None, :]]
    product[0, :] = product[:, 0] = 0
    return product, power, log


_PRODUCT, _POWER, _LOG = _tables()
_INVERSE = np.array([0, *(_POWER[_LENGTH - _LOG[value]] for value in range(1, 256))], np.uint8)


def encode(data: Bytes, parity: int) -> Bytes:
    """Codewords of 255 bytes, one a row, for rows of 255 - parity bytes."""
    generator = _generator(parity)
    rest = np.zeros((len(data), parity), np.uint8)
    for column in data.T:
        feedback = column ^ rest[:, 0]
        rest[:, :-1] = rest[:, 1:]
        rest[:, -1] = 0
        rest ^= _PRODUCT[feedback[:, None], generator[None, :]]
    return np.hstack([data, rest])


def decode(
    received: Bytes, parity: int, erased: NDArray[np.bool_] | None = None
) -> tuple[Bytes, NDArray[np.bool_]]:
    """Corrected codewords, and which of them are: errors twice and erasures once count against parity.

    A row that cannot be corrected is given back as it came.
    """
    corrected = received.copy()
    good = np.zeros(len(received), bool)
    syndromes = _syndromes(received, parity)
    damaged = syndromes.any(axis=1)
    good[~damaged] = True
    if not damaged.any():
        return corrected, good
    rows = np.flatnonzero(damaged)
    lost = np.zeros((len(rows), _LENGTH), bool) if erased is None else erased[rows]
    lost = lost & (lost.sum(axis=1) <= parity)[:, None]
    fixed, found = _correct(received[rows], syndromes[rows], lost)
    found &= ~_syndromes(fixed, parity).any(axis=1)
    corrected[rows[found]] = fixed[found]
    good[rows[found]] = True
    return corrected, good


@cache
def _generator(parity: int) -> Bytes:
    """Coefficients below the leading one, highest power first."""
    polynomial = np.array([1], np.uint8)
    for exponent in range(parity):
        polynomial = np.append(polynomial, np.uint8(0))
        polynomial[1:] ^= _PRODUCT[_POWER[exponent], polynomial[:-1]]
    return polynomial[1:]


def _syndromes(words: Bytes, parity: int) -> Bytes:
    roots = _POWER[:parity][None, :]
    sums = np.zeros((len(words), parity), np.uint8)
    for column in words.T:
        sums = _PRODUCT[roots, sums] ^ column[:, None]
    return sums


def _correct(words: Bytes, syndromes: Bytes, lost: NDArray[np.bool_]) -> tuple[Bytes, NDArray[np.bool_]]:
    locator, degree = _locator(syndromes, lost)
    width = int(degree.max()) + 1
    locator = locator[:, :width]
    evaluator = _times(syndromes, locator)
    # Place i of a word is the power 254 - i of a; its inverse is the power i + 1.
    points = _POWER[1 : _LENGTH + 1][None, :]
    wrong = _evaluate(locator, points) == 0
    found = (wrong.sum(axis=1) == degree) & (2 * degree - lost.sum(axis=1) <= syndromes.shape[1])
    slope = np.zeros_like(locator)
    slope[:, :-1:2] = locator[:, 1::2]
    value = _PRODUCT[_evaluate(evaluator, points), _INVERSE[_evaluate(slope, points)]]
    value = _PRODUCT[value, _INVERSE[points]]
    return words ^ np.where(wrong, value, 0).astype(np.uint8), found


def _locator(syndromes: Bytes, lost: NDArray[np.bool_]) -> tuple[Bytes, NDArray[np.intp]]:
    """Error and erasure locators by Berlekamp and Massey, lowest power first, and their degrees."""
    parity = syndromes.shape[1]
    erasures = lost.sum(axis=1)
    locator = _erasure_locator(lost, parity)
    helper = locator.copy()
    degree = erasures.copy()
    for step in range(parity):
        running = step >= erasures
        window = syndromes[:, step::-1]
        gap = np.bitwise_xor.reduce(_PRODUCT[locator[:, : step + 1], window], axis=1)
        gap[~running] = 0
        helper[running, 1:] = helper[running, :-1]
        helper[running, 0] = 0
        changed = gap != 0
        if not changed.any():
            continue
        update = locator ^ _PRODUCT[gap[:, None], helper]
        longer = changed & (2 * degree <= step + erasures)
        helper[longer] = _PRODUCT[_INVERSE[gap[longer]][:, None], locator[longer]]
        degree[longer] = step + 1 + erasures[longer] - degree[longer]
        locator[changed] = update[changed]
    return locator, degree


def _erasure_locator(lost: NDArray[np.bool_], parity: int) -> Bytes:
    locator = np.zeros((len(lost), parity + 1), np.uint8)
    locator[:, 0] = 1
    for place in np.flatnonzero(lost.any(axis=0)):
        rows = lost[:, place]
        locator[rows, 1:] ^= _PRODUCT[_POWER[_LENGTH - 1 - place], locator[rows, :-1]]
    return locator


def _times(syndromes: Bytes, locator: Bytes) -> Bytes:
    """Their product, cut at the power of the parity."""
    product = np.zeros_like(syndromes)
    for power in range(locator.shape[1]):
        width = syndromes.shape[1] - power
        if width > 0:
            product[:, power:] ^= _PRODUCT[locator[:, power : power + 1], syndromes[:, :width]]
    return product


def _evaluate(polynomials: Bytes, points: Bytes) -> Bytes:
    """Values at every point, for coefficients with the lowest power first."""
    values = np.zeros((len(polynomials), points.shape[1]), np.uint8)
    for power in range(polynomials.shape[1] - 1, -1, -1):
        values = _PRODUCT[points, values] ^ polynomials[:, power : power + 1]
    return values
