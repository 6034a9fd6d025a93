"""The tree keeps its promises: layers, sizes, sentences, and what a wheel holds."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from locust_kafka.options import OPTIONS
from tests.support import ROOT

PRODUCT = [*sorted((ROOT / "locust_kafka").rglob("*.py")), *sorted((ROOT / "waiter_service").rglob("*.py"))]
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
PURE = {"__future__", "array", "bisect", "collections", "contextlib", "dataclasses", "enum", "functools", "hashlib", "heapq", "itertools", "json", "math", "operator", "os",
        "re", "statistics", "struct", "typing"}  # fmt: skip
WAITER_PURE = ("behaviour.py", "request.py", "headers.py", "offsets.py")


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("path", sorted((ROOT / "locust_kafka" / "core").glob("*.py")), ids=lambda path: path.name)
def test_the_core_decides_and_touches_nothing(path: Path) -> None:
    """No clock, no thread, no gevent, no Kafka: the core imports itself and pure parts of the standard library."""
    for name in imports_of(path):
        assert name.startswith("locust_kafka.core") or name.partition(".")[0] in PURE, name
    assert "os.environ" not in path.read_text()


@pytest.mark.parametrize("name", WAITER_PURE)
def test_the_waiters_pure_parts_are_pure(name: str) -> None:
    """Behaviour, request, headers and offsets import each other and pure parts of the standard library."""
    for imported in imports_of(ROOT / "waiter_service" / "core" / name):
        assert imported.startswith("waiter_service") or imported.partition(".")[0] in PURE, imported


def test_the_pipeline_knows_nothing_of_kafka() -> None:
    """Stages and queues are for any work."""
    assert not {name for name in imports_of(ROOT / "waiter_service" / "pipeline" / "queue.py") if "kafka" in name}


@pytest.mark.parametrize("path", PRODUCT, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_and_functions_stay_small(path: Path) -> None:
    """No module over 300 lines, no function body over 50."""
    text = path.read_text()
    assert text.count("\n") <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            assert not body or (body[-1].end_lineno or 0) - body[0].lineno < 50, node.name


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_every_test_states_its_law(path: Path) -> None:
    """Each test has a sentence."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            assert ast.get_docstring(node), node.name


def test_locustfiles_are_short() -> None:
    """Under 50 lines each."""
    for path in (ROOT / "locustfiles").glob("*.py"):
        assert path.read_text().count("\n") < 50, path


def test_the_documents_know_every_option() -> None:
    """Each flag of the plugin stands in docs/options.md, each of the waiter in docs/waiter.md."""
    from waiter_service.settings import _parser

    waiters = [flag for action in _parser()._actions for flag in action.option_strings if flag.startswith("--")]
    for document, flags in (("options", [option.flag for option in OPTIONS]), ("waiter", waiters)):
        text = (ROOT / "docs" / f"{document}.md").read_text()
        assert not [flag for flag in flags if f"`{flag}" not in text and flag != "--help"]


def test_every_link_of_the_documents_leads_somewhere() -> None:
    """A relative link names a file of the repository; the heading after # is one of that file's."""
    for document in (ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))):
        for target, heading in re.findall(r"\]\((?!https?:)([^)#]+)#?([^)]*)\)", document.read_text()):
            path = document.parent / target
            assert path.exists(), (document.name, target)
            if heading:
                headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
                assert heading in {re.sub(r"[^a-z0-9 -]", "", line.lower()).replace(" ", "-") for line in headings}


def test_the_wheel_alone_is_enough(tmp_path: Path) -> None:
    """Built, installed into an empty folder and imported from there: KafkaUser, the checksums, the type marker."""
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path / "dist"), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    target = tmp_path / "site"
    subprocess.run([sys.executable, "-m", "zipfile", "-e", str(wheel), str(target)], check=True)
    code = (
        f"import sys; sys.path.insert(0, {str(target)!r})\n"
        "from locust_kafka import KafkaUser\n"
        "import locust_kafka, pathlib, waiter_service\n"
        "home = pathlib.Path(locust_kafka.__file__).parent\n"
        "print(home, KafkaUser.__name__, (home / 'py.typed').exists(), list((home / 'embedded').glob('*.sha256')) != [])\n"
        "assert all((home / name).exists() for name in ('report/assets/view.js', 'web/assets/page.html'))\n"
    )
    empty = tmp_path / "empty"
    empty.mkdir()
    done = subprocess.run([sys.executable, "-c", code], cwd=empty, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(target / "locust_kafka"), "KafkaUser", "True", "True"]
    names = subprocess.run(
        [sys.executable, "-m", "zipfile", "-l", str(wheel)], capture_output=True, text=True, check=True
    )
    assert "tests/" not in names.stdout


def test_the_command_explains_every_option() -> None:
    """`locust-kafka options` names each option with its variable, its default and a phrase."""
    done = subprocess.run([sys.executable, "-m", "locust_kafka", "options"], capture_output=True, text=True, check=True)
    for option in OPTIONS:
        assert f"{option.flag} {option.metavar}  ({option.env})\n    {option.help}" in done.stdout
