"""No other site may start, stop or change a run through the browser of whoever is at Locust's web UI (CSRF).

Locust's own forms have no token, and without --web-login no session either: any page that the person has open could
send them.  A browser says of each request where it comes from; who is no browser says nothing, and is let through.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from flask import Response, request

SAFE = {"GET", "HEAD", "OPTIONS"}
"""Methods that change nothing (RFC 9110, section 9.2.1)."""
REFUSAL = (
    "this request comes from another site and is refused: use Locust's own page; behind a proxy, let it pass on the "
    "Host header, or set X-Forwarded-Host\n"
)


def is_cross_site(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a browser says that another site's page has sent this.

    Args:
        method: of the request.
        headers: of the request; `Sec-Fetch-Site` (Fetch Metadata) goes before `Origin`, which older browsers send.
    """
    if method in SAFE:
        return False
    site = headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("Origin")
    hosts = {headers.get("Host", ""), headers.get("X-Forwarded-Host", "")} - {""}
    return origin is not None and _host(origin) not in hosts


def refuse_cross_site(web_ui: Any) -> None:
    """Look at every request before Locust does.

    Args:
        web_ui: Locust's.
    """

    @web_ui.app.before_request  # type: ignore[untyped-decorator]
    def look() -> Response | None:
        if is_cross_site(request.method, dict(request.headers)):
            return Response(REFUSAL, 403, mimetype="text/plain")
        return None


def _host(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:  # no URL at all
        return ""
