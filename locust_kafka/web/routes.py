"""The page's routes, on Locust's own web server and behind its login."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.resources import files
from typing import Any, TypeVar

from flask import Blueprint, Response, redirect, request

from locust_kafka.report.html import SCRIPTS, asset
from locust_kafka.web.live import Cached, Snapshot, events

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
"""No script, style or connection but our own: a request's name cannot become code even if it became markup."""
_SHARED = (*SCRIPTS, "style.css")
_TYPES = {**dict.fromkeys((*SCRIPTS, "live.js"), "text/javascript"), "style.css": "text/css"}
View = TypeVar("View", bound=Callable[..., Any])


def add_page(web_ui: Any, snapshot: Snapshot) -> None:
    """Serve the page at /kafka/.

    Args:
        web_ui: Locust's.
        snapshot: gives what is to be shown now.
    """
    pages = Blueprint("locust-kafka", __name__)
    cached = Cached(snapshot, time.monotonic)
    behind_login: Callable[[View], View] = web_ui.auth_required_if_enabled

    @pages.route("/kafka")
    @behind_login
    def without_slash() -> Any:
        return redirect(f"{request.path.rstrip('/').rpartition('/')[2]}/")

    @pages.route("/kafka/")
    @behind_login
    def page() -> Response:
        return _guarded(_own("page.html"), "text/html")

    @pages.route("/kafka/<name>")
    @behind_login
    def file(name: str) -> Response:
        if name not in _TYPES:
            return Response("there is no such page", 404, mimetype="text/plain")
        return _guarded(asset(name) if name in _SHARED else _own(name), _TYPES[name])

    @pages.route("/kafka/events")
    @behind_login
    def stream() -> Response:
        response = _guarded(events(cached), "text/event-stream")
        response.headers["X-Accel-Buffering"] = "no"  # a proxy that gathers events shows nothing
        return response

    web_ui.app.register_blueprint(pages)


def _guarded(body: Any, mimetype: str) -> Response:
    response = Response(body, mimetype=mimetype)
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response


def _own(name: str) -> str:
    return (files(__package__) / "assets" / name).read_text("utf-8")
