"""Our routes on a real Locust web UI: behind its login, without effects, and with headers that keep others out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from locust import User, task
from locust.env import Environment

from locust_kafka.core.results import RunResults
from locust_kafka.report import page
from locust_kafka.web.form import guard_form
from locust_kafka.web.origin import REFUSAL, is_cross_site, refuse_cross_site
from locust_kafka.web.routes import add_page
from locust_kafka.web.tab import add_tab
from tests.support import free_port

STATIC = ("/kafka/", "/kafka/view.js", "/kafka/charts.js", "/kafka/exchange.js", "/kafka/live.js", "/kafka/style.css")
ROUTES = ("/kafka", *STATIC, "/kafka/events", "/kafka/no-such-file")


class Guest(User):
    @task
    def nothing(self) -> None:
        pass


def snapshot() -> Callable[[], dict[str, Any]]:
    return lambda: page.data(RunResults(), [], [], {}, run="1")


@pytest.fixture
def asked() -> list[str]:
    """What the start form was asked, one entry a time."""
    return []


@pytest.fixture(params=[False, True], ids=["open", "login"])
def web_ui(request: pytest.FixtureRequest, asked: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(sys, "argv", ["locust"])  # Locust parses it for its own page
    environment = Environment(user_classes=[Guest])
    environment.create_local_runner()
    ui = environment.create_web_ui(host="127.0.0.1", port=free_port(), web_login=request.param)
    ui.app.secret_key = "a test's"
    if request.param:
        ui.login_manager.user_loader(lambda _name: None)
    refuse_cross_site(ui)
    add_page(ui, snapshot)
    guard_form(ui, lambda form: asked.append(str(form)) or "refused")  # type: ignore[func-returns-value]
    add_tab(ui, RunResults, needs_host=False)
    yield ui
    ui.greenlet.kill()


def test_nothing_of_ours_is_shown_without_a_login(web_ui: Any, asked: list[str]) -> None:
    """With --web-login each route sends whoever is not logged in to the login; a start form is not even looked at."""
    client = web_ui.app.test_client()
    for path in ROUTES:
        answer = client.get(path, buffered=False)
        if web_ui.web_login:
            assert answer.status_code == 302, path
            assert answer.headers["Location"].startswith("/login?"), path
        else:
            assert "/login" not in answer.headers.get("Location", ""), path
        answer.close()
    form = client.post("/swarm", data={"user_count": 1, "spawn_rate": 1})
    assert (form.status_code == 302) == web_ui.web_login
    assert bool(asked) != web_ui.web_login
    assert ("extended_stats" in client.get("/stats/requests").get_data(as_text=True)) != web_ui.web_login


def test_routes_take_no_method_that_changes_anything(web_ui: Any) -> None:
    """Each route answers GET (and HEAD and OPTIONS, which Flask adds) and nothing else."""
    ours = [rule for rule in web_ui.app.url_map.iter_rules() if rule.rule.startswith("/kafka")]
    assert {rule.rule for rule in ours} == {"/kafka", "/kafka/", "/kafka/<name>", "/kafka/events"}
    for rule in ours:
        assert rule.methods == {"GET", "HEAD", "OPTIONS"}


@pytest.mark.parametrize("web_ui", [False], indirect=True)
def test_every_answer_is_guarded(web_ui: Any) -> None:
    """No script, style or frame from elsewhere, none inline, no guessing of types, no trace in a cache."""
    client = web_ui.app.test_client()
    for path in (*STATIC, "/kafka/events"):
        answer = client.get(path, buffered=False)
        policy = answer.headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        for directive in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'self'", "base-uri 'none'"):
            assert directive in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        answer.close()


OWN, PROXY = "locust.example:8089", "public.example"
SENDERS = [
    ({}, False),  # a script, or curl
    ({"Sec-Fetch-Site": "same-origin", "Origin": f"http://{OWN}"}, False),
    ({"Sec-Fetch-Site": "same-origin", "Origin": f"https://{PROXY}"}, False),  # a proxy with a Host of its own
    ({"Sec-Fetch-Site": "none"}, False),  # the person's own doing
    ({"Origin": f"http://{OWN}"}, False),
    ({"Origin": f"https://{PROXY}", "X-Forwarded-Host": PROXY}, False),
    ({"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, True),
    ({"Sec-Fetch-Site": "same-site", "Origin": "http://locust.example:3000"}, True),  # another port is another site
    ({"Sec-Fetch-Site": "cross-site"}, True),
    ({"Origin": "https://evil.example"}, True),
    ({"Origin": "http://locust.example:3000"}, True),
    ({"Origin": "null"}, True),  # a sandboxed frame, or a file
    ({"Origin": "http://[evil"}, True),
]


@pytest.mark.parametrize(("headers", "refused"), SENDERS)
@pytest.mark.parametrize("web_ui", [False], indirect=True)
def test_another_site_can_change_nothing(web_ui: Any, asked: list[str], headers: dict[str, str], refused: bool) -> None:
    """Start, stop, reset and user settings of Locust itself: refused in a sentence when another site's page sends them."""
    client = web_ui.app.test_client()
    for path in ("/swarm", "/stop", "/stats/reset"):
        answer = client.post(path, data={"user_count": 1, "spawn_rate": 1}, headers={"Host": OWN, **headers})
        assert (answer.status_code == 403) == refused, path
        assert (answer.get_data(as_text=True) == REFUSAL) == refused
    assert bool(asked) != refused
    assert client.get("/kafka/", headers={"Host": OWN, **headers}).status_code == 200


@given(st.dictionaries(st.sampled_from(["Origin", "Sec-Fetch-Site", "Host", "X-Forwarded-Host"]), st.text()))
def test_any_headers_are_judged(headers: dict[str, str]) -> None:
    """No header makes the look fail, and what changes nothing is never refused."""
    assert is_cross_site("POST", headers) in (True, False)
    assert not is_cross_site("GET", headers)
