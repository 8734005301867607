"""Where a results file comes from: its configuration, its software and the package sources that computed it."""

import ast
import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

PACKAGE = Path(__file__).parents[1]
NATIVE = PACKAGE.parents[1] / "native"
SOFTWARE = ("zootwins", "torch", "torchvision", "numpy", "scipy", "pandas", "snakemake")


def digest(value: Any) -> str:
    """Return a short digest of anything that JSON can hold, independent of the order of keys."""
    return blake2b(json.dumps(value, sort_keys=True, default=str).encode(), digest_size=8).hexdigest()


def record(settings: Mapping[str, Any], **more: Any) -> dict[str, str]:
    """Return metadata for a results file: what was set, its digest, and the software; every value a string.

    Args:
        settings: the parameters that decide the file's content.
        more: further entries, such as the engine or the random streams.
    """
    entries = {
        "configuration": json.dumps(settings, sort_keys=True, default=str),
        "configuration_digest": digest(settings),
        "software": json.dumps({name: _version(name) for name in SOFTWARE} | {"python": platform.python_version()}),
    }
    return entries | {key: value if isinstance(value, str) else json.dumps(value) for key, value in more.items()}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@cache
def code_digest(script: Path, *modules: str) -> str:
    """Return a digest of what a script computes with: the sources of what it imports here, and of `modules`.

    Snakemake sees a rule's script but not what the script imports; as a parameter of the rule, this digest makes
    it rerun when a module changes that it computes with, and not when another does. `modules` are those that the
    script loads by name. Sources are compared as syntax trees without docstrings, so that prose and formatting can be
    improved without recomputing a zoo; files that a module reads from beside itself (a template, a style sheet) count
    as they are, and so do the kernels' sources for what trains with them.
    """
    files = sorted(_closure([*_source(script).imports, *modules]))
    content = [_source(path).digest for path in files]
    content += [path.read_text(encoding="utf-8") for file in files for path in _companions(file)]
    if PACKAGE / "population/native_engine.py" in files and NATIVE.is_dir():
        content += [
            path.read_text(encoding="utf-8")
            for path in sorted(NATIVE.rglob("*"))
            if path.suffix in {".cpp", ".hpp", ".h"}
        ]
    return digest(content)


class _Source(NamedTuple):
    """A Python file: the modules that it imports, its constants, and a digest of it without docstrings."""

    imports: list[str]
    constants: set[Any]
    digest: str


@cache
def _source(path: Path) -> _Source:
    tree = _without_docstrings(ast.parse(path.read_text(encoding="utf-8")))
    constants = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return _Source(_imports(tree), constants, digest(ast.dump(tree)))


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            del body[0]
    return tree


def _companions(path: Path) -> list[Path]:
    """Return files beside a module that it names, such as a template."""
    beside = (file for file in sorted(path.parent.iterdir()) if file.is_file() and file.suffix not in {".py", ".so"})
    return [file for file in beside if file.name in _source(path).constants]


def _closure(modules: list[str]) -> set[Path]:
    """Return the files of modules, their parent packages, and what they import from this package, transitively."""
    found: set[Path] = set()
    todo = list(modules)
    while todo:
        module = todo.pop()
        path = _file(module)
        if path is None or path in found:
            continue
        found.add(path)
        todo += [*_source(path).imports, module.rpartition(".")[0]]
    return found


def _imports(tree: ast.Module) -> list[str]:
    """Return what a module imports, by full name; of `from a import b`, both a and a.b, since b may be a module."""
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names


def _file(module: str) -> Path | None:
    parts = module.split(".")
    if parts[0] != PACKAGE.name:
        return None
    base = PACKAGE.joinpath(*parts[1:])
    candidates = (base.with_suffix(".py"), base / "__init__.py") if parts[1:] else (base / "__init__.py",)
    return next((path for path in candidates if path.is_file()), None)


def zoos_of_table(path: str | Path) -> list[str] | None:
    """Return the ids of the zoos that a table was made of, as its Markdown says; None where it says nothing.

    Args:
        path: its CSV file.
    """
    try:
        *_, comment = Path(path).with_suffix(".md").read_text(encoding="utf-8").rstrip().splitlines()
        origin = json.loads(comment.removeprefix("<!-- ").removesuffix(" -->"))
        return [zoo["id"] for zoo in json.loads(origin["configuration"])["zoos"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def tables_of_others(tables: Iterable[str | Path], zoos: Sequence[str]) -> dict[str, list[str]]:
    """Return those of the tables that were made of another set of zoos, and of which."""
    made_of = {str(path): zoos_of_table(path) for path in tables}
    return {path: found for path, found in made_of.items() if found is not None and set(found) != set(zoos)}
