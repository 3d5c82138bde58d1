"""Looks for what is left of a person: in bytes, files and the memory of processes, in every encoding in use.

A word is looked for as UTF-8, UTF-16 of both byte orders, Shift_JIS, EUC-JP, JSON's \\u escapes, the hex
digits of a PDF string, URL escapes and base64 at each of its three alignments; and so again in whatever is
deflated there (zlib, gzip, ASCII85 with zlib; where it is asked for, deflate without any header, as in a
zip file). A printed page is looked for by pieces of its file, and by its
text operators as they stand in its inflated contents: numbers of glyphs, which no encoding of a word would
find. What is encrypted is not found.
"""

import base64
import contextlib
import io
import json
import re
import urllib.parse
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pypdf import PdfReader
from pypdf.errors import PyPdfError

Canaries = Mapping[str, tuple[bytes, ...]]
"""What must not be found, by a name that may be told; each in every form that it can have."""

ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be", "cp932", "euc_jp")
_LEAST_BASE64_BYTES = 9
_LEAST_FORM_BYTES = 6
_BEGINNING_BYTES = 3
_PIECE_BYTES, _PIECES = 32, 16
_LEAST_INFLATED_BYTES = 4
_LEAST_BARE_BYTES = 12
_MOST_SHOWN = 40
_CHUNK_BYTES = 1 << 23
_OVERLAP_BYTES = 1 << 16
_MOST_INFLATED_BYTES = 1 << 22
_DEFLATED = re.compile(rb"\x78[\x01\x5e\x9c\xda]|\x1f\x8b\x08")
_ASCII85 = re.compile(rb"(?:stream|<~)\s+([!-uz\s]{20,})~>")
_GZIP_HEADER_BYTES = 10
_FEED_BYTES = 256
_DYNAMIC_HEADER_BYTES = 10
_PARTS_OF_CODE = np.array([0, 64, 32, 16, 8, 4, 2, 1], dtype=np.uint16)
"""What a code of so many bits takes of all codes, in parts of 128."""
_LONG_BYTES = 1 << 18
_ZEROS, _FEW_ZEROS = re.compile(rb"\0{256,}"), bytes(256)
_SHOWN = re.compile(rb"\(((?:[^()\\]|\\.){%d,})\)\s*Tj|<([0-9A-Fa-f]{%d,})>\s*Tj" % (12, 24), re.DOTALL)


def words(texts: Iterable[str]) -> dict[str, tuple[bytes, ...]]:
    """Personal words, each also without the ideographic space between family and given name."""
    every = {text for one in texts for text in (one, one.replace("　", ""))}
    return {text: forms for text in sorted(every) if (forms := tuple(sorted(set(forms_of(text)))))}


def forms_of(text: str) -> Iterator[bytes]:
    """Every form of at least six bytes that this text can have: fewer may be anybody's."""
    yield from (form for form in _forms(text) if len(form) >= _LEAST_FORM_BYTES)


def _forms(text: str) -> Iterator[bytes]:
    for encoding in ENCODINGS:
        with contextlib.suppress(UnicodeEncodeError):
            plain = text.encode(encoding)
            yield plain
            yield plain.hex().encode("ascii")
            yield plain.hex().upper().encode("ascii")
            yield from _base64(plain)
    yield json.dumps(text)[1:-1].encode("ascii")
    yield urllib.parse.quote(text).encode("ascii")


def _base64(plain: bytes) -> Iterator[bytes]:
    """The characters that are the same whatever stands before and after; too few of them mean nothing."""
    for shift in range(3):
        skipped = -shift % 3
        whole = plain[skipped : skipped + (len(plain) - skipped) // 3 * 3]
        if len(whole) >= _LEAST_BASE64_BYTES:
            yield base64.b64encode(whole)
            yield base64.urlsafe_b64encode(whole)


def printed(name: str, pdf: bytes) -> dict[str, tuple[bytes, ...]]:
    """A printed page: pieces of the file, and what its text operators show."""
    step = len(pdf) // (_PIECES + 1)
    pieces = {pdf[at : at + _PIECE_BYTES] for at in range(step, step * _PIECES + 1, step)}
    shown = {found for stream in inflated(pdf) for found in _shown(stream)}
    return {name: tuple(sorted(pieces)), f"{name}, its glyphs": tuple(sorted(shown, key=len)[-_MOST_SHOWN:])}


def _shown(stream: bytes) -> Iterator[bytes]:
    for literal, digits in _SHOWN.findall(stream):
        yield literal or digits


def inflated(content: bytes) -> Iterator[bytes]:
    """Everything in there that zlib or gzip can inflate, up to 4 MiB each, also if its end is damaged.

    As a PDF has it, too: with ASCII85 around it (ISO 32000-1, 7.4.3).
    """
    for letters in _ASCII85.findall(content):
        with contextlib.suppress(ValueError):
            yield from inflated(base64.a85decode(letters))
    for start in _DEFLATED.finditer(content):
        header = 2 if start.group().startswith(b"\x78") else _GZIP_HEADER_BYTES
        plain = b"".join(_inflated(memoryview(content)[start.start() + header :]))
        if len(plain) >= _LEAST_INFLATED_BYTES:
            yield plain


def bare_inflated(content: bytes) -> Iterator[bytes]:
    """Everything in there that is deflated without a header, as in a zip file; short ones may be missed.

    A stream begins at a byte with a block of dynamic codes, or of the fixed ones, which nearly every
    byte could begin: these are tried in short contents only. Source: RFC 1951, 3.2.3.
    """
    starts = _dynamic_blocks(content)
    if len(content) < _LONG_BYTES:
        starts += [at for at, octet in enumerate(content) if octet & 6 == 2]
    view = memoryview(content)
    for start in starts:
        plain = b"".join(_inflated(view[start:]))
        if len(plain) >= _LEAST_BARE_BYTES:
            yield plain


def _dynamic_blocks(content: bytes) -> list[int]:
    """Where the header of a block with dynamic codes may stand: its numbers and first code make sense."""
    octets = np.frombuffer(content, dtype=np.uint8)
    most = len(octets) - _DYNAMIC_HEADER_BYTES
    if most <= 0:
        return []
    first, second = octets[:most], octets[1 : most + 1]
    places = np.flatnonzero(((first & 6) == 4) & (first < 30 << 3) & ((second & 31) < 30))
    bits = np.zeros(len(places), dtype=np.uint64)
    for at in range(8):
        bits |= octets[places + at].astype(np.uint64) << np.uint64(8 * at)
    lengths = ((bits >> np.uint64(13)) & np.uint64(15)) + np.uint64(4)
    bits >>= np.uint64(17)
    for at in (8, 9):
        bits |= octets[places + at].astype(np.uint64) << np.uint64(8 * at - 17)
    bits &= (np.uint64(1) << (np.uint64(3) * lengths)) - np.uint64(1)
    parts = np.zeros(len(places), dtype=np.uint16)
    for at in range(19):
        parts += _PARTS_OF_CODE[((bits >> np.uint64(3 * at)) & np.uint64(7)).astype(np.intp)]
    whole: list[int] = places[parts == 128].tolist()
    return whole


def _inflated(deflated: memoryview) -> Iterator[bytes]:
    """Piece by piece, without the checksum: what came before the damage counts."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    made = 0
    with contextlib.suppress(zlib.error):
        for at in range(0, len(deflated), _FEED_BYTES):
            piece = inflater.decompress(deflated[at : at + _FEED_BYTES], _MOST_INFLATED_BYTES)
            made += len(piece)
            yield piece
            if inflater.eof or made >= _MOST_INFLATED_BYTES or (at and not made):
                return


def hits(content: bytes, canaries: Canaries, *, bare: bool = False) -> set[str]:
    """Names of what stands in content, plain, deflated, or drawn on a page of a whole PDF.

    bare: also what is deflated without a header.
    """
    found = _plain_hits(content, canaries)
    for plain in inflated(content):
        found |= _plain_hits(plain, canaries)
    if bare:
        found |= _plain_hits(b"\0".join(bare_inflated(content)), canaries)
    return found | _page_hits(content, canaries)


def _plain_hits(content: bytes, canaries: Canaries) -> set[str]:
    found = _forms_in(content, canaries)
    return {name for name, forms in canaries.items() if not found.isdisjoint(forms)} if found else set()


def _forms_in(content: bytes, canaries: Canaries) -> set[bytes]:
    index = _index(canaries)
    return {form for at in index.places(content) for form in index.at(content, at)}


@dataclass(frozen=True, slots=True, eq=False)
class _Index:
    """Forms by their beginning. first, then: whether three bytes begin a form, and stand behind those."""

    by_beginning: Mapping[bytes, tuple[bytes, ...]]
    first: NDArray[np.bool_]
    then: NDArray[np.bool_] | None

    def places(self, content: bytes) -> list[int]:
        """Where a form may begin, in one pass: memory is long and the forms are thousands."""
        octets = np.frombuffer(content, dtype=np.uint8).astype(np.uint32)
        threes = (octets[:-2] << 16) | (octets[1:-1] << 8) | octets[2:]
        places = np.flatnonzero(self.first[threes])
        if self.then is not None:
            places = places[places < len(threes) - _BEGINNING_BYTES]
            places = places[self.then[threes[places + _BEGINNING_BYTES]]]
        found: list[int] = places.tolist()
        return found

    def at(self, content: bytes, at: int) -> Iterator[bytes]:
        begun = self.by_beginning.get(content[at : at + _BEGINNING_BYTES], ())
        return (form for form in begun if content.startswith(form, at))


_INDEXES: dict[int, tuple[Canaries, int, _Index]] = {}
"""Of the last canaries looked for, by their identity: a mapping that is kept here is no other one."""


def _index(canaries: Canaries) -> _Index:
    kept = _INDEXES.get(id(canaries))
    if kept is None or kept[1] != len(canaries):
        _INDEXES.clear()
        kept = (canaries, len(canaries), _indexed({form for forms in canaries.values() for form in forms}))
        _INDEXES[id(canaries)] = kept
    return kept[2]


def _indexed(forms: set[bytes]) -> _Index:
    by_beginning: dict[bytes, tuple[bytes, ...]] = {}
    for form in forms:
        beginning = form[:_BEGINNING_BYTES]
        by_beginning[beginning] = (*by_beginning.get(beginning, ()), form)
    long = all(len(form) > 2 * _BEGINNING_BYTES - 1 for form in forms)
    then = {form[_BEGINNING_BYTES : 2 * _BEGINNING_BYTES] for form in forms} if long else None
    return _Index(by_beginning, _table(by_beginning), None if then is None else _table(then))


def _table(threes: Iterable[bytes]) -> NDArray[np.bool_]:
    table = np.zeros(1 << 24, dtype=np.bool_)
    table[[int.from_bytes(three, "big") for three in threes]] = True
    return table


def _page_hits(content: bytes, canaries: Canaries) -> set[str]:
    found: set[str] = set()
    for start in re.finditer(rb"%PDF-1\.", content):
        end = content.find(b"%%EOF", start.start())
        if end < 0:
            continue
        with contextlib.suppress(PyPdfError, ValueError, KeyError, TypeError, RecursionError):
            pages = PdfReader(io.BytesIO(content[start.start() : end + 6])).pages
            text = "".join("".join(page.extract_text().split()) for page in pages)
            found |= {name for name in canaries if "".join(name.split()) in text}
    return found


def personal(canaries: Canaries, others: Iterable[bytes]) -> dict[str, tuple[bytes, ...]]:
    """Without what others have as well: a form's own words, lines and ground are on everybody's page.

    Raises ValueError for a name of which nothing is left.
    """
    shared: set[bytes] = set()
    for content in others:
        for plain in (content, *inflated(content)):
            shared |= _forms_in(plain, canaries)
    kept = {name: tuple(form for form in forms if form not in shared) for name, forms in canaries.items()}
    if bare := sorted(name for name, forms in kept.items() if not forms):
        raise ValueError(f"nothing is left of {', '.join(bare)}")
    return kept


def in_files(folders: Iterable[Path], canaries: Canaries, *, spared: Iterable[Path] = ()) -> list[str]:
    """Hits in every file below folders, as "file: name"; spared: folders and files not of the kiosk."""
    kept = {path.resolve() for path in spared}
    found: set[str] = set()
    for path in {path.resolve() for folder in folders for path in folder.rglob("*")}:
        if path in kept or not kept.isdisjoint(path.parents) or not path.is_file():
            continue
        with contextlib.suppress(FileNotFoundError):
            found |= {f"{path.name}: {name}" for name in hits(path.read_bytes(), canaries, bare=True)}
    return sorted(found)


def pieces(image: Path) -> Iterator[bytes]:
    """All of a long file in overlapping pieces; long runs of zeros are cut."""
    with image.open("rb") as blocks:
        for at in range(0, image.stat().st_size, _CHUNK_BYTES):
            blocks.seek(at)
            yield _ZEROS.sub(_FEW_ZEROS, blocks.read(_CHUNK_BYTES + _OVERLAP_BYTES))


def in_memory(pid: int, canaries: Canaries, *, deep: bool = True, bare: bool = False) -> list[str]:
    """Hits in every page that the process itself may have written, as "memory of pid: name".

    deep: also in what is deflated there; bare: without a header, too.
    Raises PermissionError if that memory may not be read.
    """
    look = partial(hits, bare=bare) if deep else _plain_hits
    found = {name for content in memory_of(pid) for name in look(content, canaries)}
    return [f"memory of {_command(pid)}: {name}" for name in sorted(found)]


def memory_of(pid: int) -> Iterator[bytes]:
    """Every page that the process itself may have written, in overlapping pieces; long runs of zeros are cut.

    Raises PermissionError if that memory may not be read.
    """
    maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for start, end in _writable(maps):
            for at in range(start, end, _CHUNK_BYTES):
                memory.seek(at)
                with contextlib.suppress(OSError):
                    content = memory.read(min(_CHUNK_BYTES + _OVERLAP_BYTES, end - at))
                    yield _ZEROS.sub(_FEW_ZEROS, content)


def family(pid: int) -> list[int]:
    """The process and all that it has started and that still live."""
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = status.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(status.parent.name))
    found, queue = [], [pid]
    while queue:
        found.append(queue.pop())
        queue += children.get(found[-1], [])
    return found


def _writable(maps: Iterable[str]) -> Iterator[tuple[int, int]]:
    for line in maps:
        span, rights = line.split()[:2]
        if rights.startswith("rw"):
            start, end = (int(edge, 16) for edge in span.split("-"))
            yield start, end


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    return "a process that is gone"
