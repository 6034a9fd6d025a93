"""A module with a fault planted in it, to see that its laws notice."""

from __future__ import annotations

import types


def planted(source: str, *changes: tuple[str, str]) -> types.ModuleType:
    """The module of this source with each (line as it is, line broken) changed; each line must be there."""
    for line, broken in changes:
        assert line in source, f"the planted fault no longer fits the code: {line}"
        source = source.replace(line, broken)
    module = types.ModuleType("planted")
    exec(compile(source, "planted", "exec"), module.__dict__)
    return module
