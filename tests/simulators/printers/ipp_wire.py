"""The few IPP requests the simulated printer's own front panel needs, as bytes (RFC 8010)."""

import asyncio
import struct

PRINT_JOB = 0x0002
GET_PRINTER_ATTRIBUTES = 0x000B


async def ask(port: int, operation: int, *, job_name: str = "", document: bytes = b"") -> tuple[int, bytes]:
    """Send one request to the printer on this host: (IPP status, whole body).

    Raises OSError when nobody listens or the printer hangs up.
    """
    request = _request(port, operation, job_name) + document
    head = b"POST /ipp/print HTTP/1.1\r\nContent-Type: application/ipp\r\nContent-Length: %d\r\n"
    body = await _exchange(port, head % len(request), request)
    return int.from_bytes(body[2:4], "big"), body


def integer(body: bytes, attribute: str) -> int:
    """An integer attribute of an answer, by its name."""
    start = body.index(attribute.encode()) + len(attribute) + 2
    return int.from_bytes(body[start : start + 4], "big")


async def submit_form(port: int, path: str) -> None:
    """Fill in one of the printer's web forms. Raises OSError."""
    await _exchange(port, f"GET {path} HTTP/1.1\r\n".encode(), b"")


async def _exchange(port: int, head: bytes, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(head + b"Host: localhost\r\nConnection: close\r\n\r\n" + request)
        return await _answer(reader)
    except (asyncio.IncompleteReadError, ValueError) as cause:
        raise ConnectionError("the printer hung up") from cause
    finally:
        writer.close()


def _request(port: int, operation: int, job_name: str) -> bytes:
    attributes = [
        (0x47, "attributes-charset", "utf-8"),
        (0x48, "attributes-natural-language", "en"),
        (0x45, "printer-uri", f"ipp://localhost:{port}/ipp/print"),
        (0x42, "requesting-user-name", "panel"),
    ]
    if operation == PRINT_JOB:
        attributes += [(0x42, "job-name", job_name), (0x49, "document-format", "application/pdf")]
    encoded = b"".join(
        struct.pack(">BH", tag, len(name)) + name.encode() + struct.pack(">H", len(value)) + value.encode()
        for tag, name, value in attributes
    )
    return struct.pack(">BBHIB", 2, 0, operation, 1, 0x01) + encoded + b"\x03"


async def _answer(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(30):
        head = await reader.readuntil(b"\r\n\r\n")
        while b" 100 " in head.split(b"\r\n", 1)[0]:
            head = await reader.readuntil(b"\r\n\r\n")
        if b"chunked" in head.lower():
            body = b""
            while size := int(await reader.readline(), 16):
                body += await reader.readexactly(size)
                await reader.readexactly(2)
        else:
            length = head.lower().split(b"content-length:")[1].split(b"\r\n")[0]
            body = await reader.readexactly(int(length))
    return body
