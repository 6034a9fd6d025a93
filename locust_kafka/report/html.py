"""`report.html`: one file that needs no network, drawn by the same script as the live page."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from importlib.resources import files
from typing import Any

SCRIPTS = ("charts.js", "exchange.js", "view.js")
"""What draws a run, in the order in which it is read."""
_START = 'render(JSON.parse(document.getElementById("data").textContent));'


def asset(name: str) -> str:
    """A file that ships with this package."""
    return (files(__package__) / "assets" / name).read_text("utf-8")


def document(page: dict[str, Any], title: str) -> str:
    """The report.

    Args:
        page: of `page.data`.
        title: its heading.
    """
    style, script = asset("style.css"), "".join(map(asset, SCRIPTS)) + _START
    policy = (
        f"default-src 'none'; style-src {_source(style)}; script-src {_source(script)}; base-uri 'none'; "
        "form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f"<title>{html.escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        f"<header><h1>{html.escape(title)}</h1></header>\n<main>{_without_script(page)}</main>\n"
        '<section class="card life"><h2>The life of a request</h2><div class="scroll">'
        f"{asset('life.svg')}</div></section>\n"
        f'<script type="application/json" id="data">{_embedded(page)}</script>\n'
        f"<script>{script}</script>\n</body>\n</html>\n"
    )


def _without_script(page: dict[str, Any]) -> str:
    """The verdict and the checks for whoever shows no scripts; the script replaces them."""
    checks = page.get("summary", {}).get("checks", [])
    said = [page.get("verdict", "Several runs: their figures are drawn by a script.")]
    said += [f"{'ok' if one['passed'] else 'FAILED'}: {one['text']}: {one['found']}" for one in checks]
    return "".join(f"<p>{html.escape(str(one))}</p>" for one in said)


def _source(text: str) -> str:
    """A Content-Security-Policy source that admits just this text (CSP level 3, hash-source)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _embedded(page: dict[str, Any]) -> str:
    """JSON that cannot end its script element, whatever it holds."""
    text = json.dumps(page, ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
