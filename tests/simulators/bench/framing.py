"""May the kiosk's screen be shown in a frame of the bench's page? Its own headers decide."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

import aiohttp


def may_be_framed(headers: Mapping[str, str], by_origin: str) -> bool:
    """Whether a page with these headers lets by_origin frame it.

    Source: CSP Level 3, frame-ancestors; X-Frame-Options counts only without it.
    """
    for directive in headers.get("Content-Security-Policy", "").split(";"):
        name, *sources = directive.split()[:1] + directive.split()[1:] or [""]
        if name.lower() == "frame-ancestors":
            return any(_matches(source, by_origin) for source in sources)
    return "X-Frame-Options" not in headers


async def screen_may_be_framed(url: str, by_origin: str) -> bool:
    """Ask the kiosk's screen for its headers. Raises aiohttp.ClientError or TimeoutError."""
    timeout = aiohttp.ClientTimeout(total=2)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
        return may_be_framed(answer.headers, by_origin)


def origin_of(url: str) -> str:
    """Scheme, host and port of an URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _matches(source: str, origin: str) -> bool:
    parts = urlsplit(origin)
    return source in ("*", f"{parts.scheme}:") or fnmatchcase(
        origin, source if "://" in source else f"{parts.scheme}://{source}"
    )
