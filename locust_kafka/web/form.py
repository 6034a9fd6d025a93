"""Locust's start form: a value that would be refused is refused there, with its sentence, before a run begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import jsonify, request


def guard_form(web_ui: Any, refused: Callable[[Mapping[str, str]], str]) -> None:
    """Look at what the form sends before Locust does.

    Args:
        web_ui: Locust's.
        refused: why a run cannot begin with these values, in a sentence; "" when it can.
    """

    # Its login comes first, as before every view of Locust's.
    @web_ui.auth_required_if_enabled  # type: ignore[untyped-decorator]
    def look() -> Any:
        sentence = refused(request.form)
        if not sentence:
            return None
        return jsonify({"success": False, "message": sentence, "host": web_ui.environment.host})

    @web_ui.app.before_request  # type: ignore[untyped-decorator]
    def before() -> Any:
        return look() if request.method == "POST" and request.path.endswith("/swarm") else None
