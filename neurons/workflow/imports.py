"""What a step is made of: the modules of this package and what it imports from outside.

Read from the source text, without importing anything. Two things follow from it: a fingerprint of a step's code, so that an
edit reruns the steps that contain it and no others, and the packages that a step's environment must hold.
"""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Iterator
from pathlib import Path

from neurons.artifacts import hash_bytes

PACKAGE = Path(__file__).parents[1]
# Reading, writing, logging and the command line decide no result: what they hand on is checked by its own tests, and
# configuration values reach a step as parameters.
INFRASTRUCTURE = (
    "neurons.artifacts",
    "neurons.cli",
    "neurons.config",
    "neurons.console",
    "neurons.sections",
    "neurons.workflow.journal",
    "neurons.workflow.seals",
)

SETTINGS = ".settings"
"""Ending of the modules that hold a stage's section of the configuration: infrastructure like the configuration."""


def source_of(module: str) -> Path | None:
    """The file of a module of this package; None if there is no such module."""
    base = PACKAGE.joinpath(*module.split(".")[1:])
    if base.with_suffix(".py").is_file():
        return base.with_suffix(".py")
    return base / "__init__.py" if (base / "__init__.py").is_file() else None


@functools.cache
def imported(module: str) -> tuple[frozenset[str], frozenset[str]]:
    """What one module of this package imports anywhere in its text, except for type checkers alone.

    Returns
    -------
    tuple
        Modules of this package, with the packages that contain them, and top-level names from outside the standard
        library (those that are looked for with `find_spec` too).
    """
    path = source_of(module)
    if path is None:
        raise ValueError(f"{module} is not a module of this package")
    inside: set[str] = set()
    outside: set[str] = set()
    for name in _names(ast.parse(path.read_text())):
        if name.partition(".")[0] != "neurons":
            outside.add(name.partition(".")[0])
            continue
        parts = name.split(".")
        prefixes = (".".join(parts[: length + 1]) for length in range(len(parts)))
        inside.update(prefix for prefix in prefixes if source_of(prefix))
    return frozenset(inside - {module}), frozenset(outside - set(sys.stdlib_module_names))


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            # `from package import module`: a name that is a module of this package is one, others are ignored later.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("find_spec"):
            yield from (str(text.value) for text in node.args if isinstance(text, ast.Constant))
        elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            yield from _names(ast.Module(node.orelse, []))
        else:
            yield from _names(node)


def closure(module: str) -> dict[str, frozenset[str]]:
    """`module` and all modules of this package that it leads to, with the outside names that each imports."""
    found: dict[str, frozenset[str]] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found:
            inside, found[name] = imported(name)
            waiting += inside
    return found


@functools.cache
def _content(module: str) -> bytes:
    path = source_of(module)
    assert path is not None
    text = path.read_text()
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_text(body[0]):
            body[0] = ast.Pass()
    data = [file for file in sorted(path.parent.iterdir()) if file.suffix != ".py" and file.name in text]
    return ast.dump(tree).encode() + b"".join(file.read_bytes() for file in data if file.is_file())


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def fingerprint(module: str) -> str:
    """Hash of the code that `module` leads to, and of the tables and templates beside it that it names.

    Comments, docstrings, layout and `INFRASTRUCTURE` do not count.
    """
    modules = sorted(name for name in closure(module) if not _is_infrastructure(name))
    return hash_bytes(*(part for name in modules for part in (name.encode(), _content(name))))


def _is_infrastructure(module: str) -> bool:
    within = any(f"{module}.".startswith(f"{part}.") for part in INFRASTRUCTURE)
    return within or module.endswith(SETTINGS)
