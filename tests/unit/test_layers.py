"""The plugin's rooms: who may import whom, type-only imports included (docs/architecture.md has the picture)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.support import ROOT

HOME = ROOT / "locust_kafka"
MODULES = [path for path in sorted(HOME.rglob("*.py")) if path.name != "__init__.py"]
TOP = {"errors", "gates", "options", "paths", "settings", "values"}
# A room → the rooms it may import besides itself and the files at the top.
ARROWS = {
    "plugin": {"web", "run", "telemetry", "report", "exchange", "kafka", "hub", "core"},
    "cli": {"telemetry", "report", "exchange", "kafka", "embedded", "core"},
    "run": {"telemetry", "report", "exchange", "kafka", "hub", "core"},
    "web": {"report", "core"},
    "telemetry": {"exchange", "kafka", "hub", "core"},
    "report": {"exchange", "kafka", "core"},
    "exchange": {"kafka", "hub", "core"},
    "kafka": {"hub", "core"},
    "hub": {"core"},
    "core": set(),
    "embedded": set(),
    "": {"core", "cli"},
}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 2 else ""


def imports_of(path: Path) -> set[str]:
    """The modules of ours that a module imports anywhere: in functions, and for type checkers only, too."""
    known = {name_of(module) for module in MODULES}
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*name_of(path).split(".")[: -node.level], *([base] if base else [])])
            found.update(f"{base}.{alias.name}" for alias in node.names)
            found.add(base)
    return found & known


GRAPH = {name_of(path): imports_of(path) for path in MODULES}


@pytest.mark.parametrize("module", GRAPH)
def test_arrows_point_down_only(module: str) -> None:
    """A room imports itself, the rooms below it and the files at the top; the core imports nothing but itself."""
    room = room_of(module)
    for imported in GRAPH[module]:
        other = room_of(imported)
        if other == room:
            continue
        if not other:
            assert imported.rpartition(".")[2] in TOP, f"{module} imports {imported}"
            assert room not in {"core", "embedded", "hub"}, f"{module} imports {imported}"
        else:
            assert other in ARROWS[room], f"{module} imports {imported}"


def test_no_circle_anywhere() -> None:
    """Modules can be read one after the other: none imports itself by a detour, not even for its types."""
    left = dict(GRAPH)
    while leaves := [module for module, imported in left.items() if not imported & left.keys()]:
        for module in leaves:
            del left[module]
    assert not left, sorted(left)


def test_the_rooms_are_those_of_the_table() -> None:
    """A new folder needs a line in the table."""
    assert {path.parent.name for path in HOME.glob("*/*.py")} == ARROWS.keys() - {""}
