"""Elements of DER (X.690), for what no library at hand writes."""


def element(tag: int, content: bytes) -> bytes:
    """One element; tag: its identifier octet. A length below 128 stands alone, a longer one behind the number
    of its bytes."""
    size = len(content)
    said = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([tag, size] if size < 0x80 else [tag, 0x80 | len(said), *said]) + content
