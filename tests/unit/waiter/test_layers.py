"""The waiter's rooms: who may import whom, type-only imports included."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.support import ROOT

HOME = ROOT / "waiter_service"
MODULES = sorted(HOME.rglob("*.py"))
# A room → the rooms it may import, itself included.  "" is the top: service, settings, __main__.
ARROWS = {
    "": {"", "kafka", "observe", "pipeline", "core"},
    "kafka": {"kafka", "pipeline", "core"},
    "observe": {"observe", "pipeline", "core"},
    "pipeline": {"pipeline", "core"},
    "core": {"core"},
}
# Which room may use which library beside the standard one.
LIBRARIES = {
    "": {"confluent_kafka", "prometheus_client"},
    "kafka": {"confluent_kafka"},
    "observe": {"opentelemetry", "prometheus_client"},
    "pipeline": set(),
    "core": set(),
}
PURE = {
    "__future__", "collections", "dataclasses", "enum", "functools", "hashlib", "itertools", "math", "re", "statistics",
    "struct", "typing",
}  # fmt: skip


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and (HOME / parts[1]).is_dir() else ""


def imports_of(path: Path) -> set[str]:
    """Full names of what a module imports anywhere: in functions, and for type checkers only, too."""
    module, found = name_of(path), set()
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            found.update(f"{base}.{alias.name}" for alias in node.names)
            found.add(base)
    return found


GRAPH = {name_of(path): imports_of(path) for path in MODULES}


@pytest.mark.parametrize("module", GRAPH)
def test_arrows_point_down_only(module: str) -> None:
    """A room imports itself and the rooms below it, and only the libraries that are its business."""
    room = room_of(module)
    for imported in GRAPH[module]:
        top = imported.partition(".")[0]
        assert top not in {"locust_kafka", "locust", "gevent"}
        if top == "waiter_service":
            known = imported if imported in GRAPH else imported.rpartition(".")[0]
            assert known in GRAPH, imported
            assert known == "waiter_service" or room_of(known) in ARROWS[room], f"{module} imports {imported}"
        elif top in {"confluent_kafka", "opentelemetry", "prometheus_client"}:
            assert top in LIBRARIES[room], f"{module} imports {imported}"


@pytest.mark.parametrize("module", [module for module in GRAPH if room_of(module) == "core"])
def test_the_core_is_pure(module: str) -> None:
    """The core imports pure parts of the standard library: no clock, no thread, no file."""
    assert {imported.partition(".")[0] for imported in GRAPH[module]} <= PURE | {"waiter_service"}


def test_no_module_imports_itself_around_a_corner() -> None:
    """There is no circle of imports, type-only imports included."""
    edges = {
        module: {name for name in imported if name in GRAPH and name != module} for module, imported in GRAPH.items()
    }
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path, module))
        if module not in done:
            for other in edges[module]:
                visit(other, (*path, module))
            done.add(module)

    for module in edges:
        visit(module, ())


def test_the_oracle_sees_a_planted_arrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A type-only import and a relative one are seen."""
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    planted = tmp_path / "waiter_service" / "core" / "planted.py"
    planted.parent.mkdir(parents=True)
    planted.write_text(
        "if TYPE_CHECKING:\n    from waiter_service.kafka import topics\nfrom ..observe import counters\n"
    )
    assert {"waiter_service.kafka.topics", "waiter_service.observe.counters"} <= imports_of(planted)
