"""Reads the YAML and JSON files that users write, and refuses what a YAML reader would pass over in silence."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from zootwins.run.errors import InputError, one_line

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # PyYAML's wheels have libyaml, ten times as fast


class _DuplicateKeyError(Exception):
    def __init__(self, key: str, *lines: int) -> None:
        where = f" (lines {lines[0]} and {lines[1]})" if lines else ""
        super().__init__(f"the key {key!r} is there twice{where}; keep one, since only the last would count")


def read_yaml(path: Path) -> Any:
    """Read a YAML or JSON file.

    Raises:
        InputError: if it cannot be read, is no UTF-8 text, is no YAML, or has the same key twice in one section.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: is no UTF-8 text; save it as UTF-8") from None
    except OSError as error:
        reason = "is a folder, not a file" if path.is_dir() else f"cannot be read ({error.strerror})"
        raise InputError(f"{path}: {reason}; give the path of a YAML file") from None
    try:
        if text.lstrip().startswith("{"):
            return _read_json(text)
        return _parse(text)
    except _DuplicateKeyError as error:
        raise InputError(f"{path}: {error}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid YAML: {one_line(error)}; correct it there") from None


def _parse(text: str) -> Any:
    """Parse YAML; PyYAML alone would keep the last of two equal keys. A merge key (<<) may be overridden."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        _refuse_equal_keys(node)
        return loader.construct_document(node) if node else None
    finally:
        loader.dispose()


def _refuse_equal_keys(root: yaml.Node | None) -> None:
    left, seen = [root], set()  # an alias is the node that it stands for, which may hold itself
    while left:
        node = left.pop()
        if id(node) in seen or not isinstance(node, yaml.CollectionNode):
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            left += reversed(node.value)
            continue
        first: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            line = key.start_mark.line + 1
            if (key.tag, key.value) in first:
                raise _DuplicateKeyError(key.value, first[key.tag, key.value], line)
            first[key.tag, key.value] = line
        left += [part for pair in reversed(node.value) for part in reversed(pair)]


def _read_json(text: str) -> Any:
    """Read a JSON file or, since YAML may start with a brace too, a YAML file."""
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except json.JSONDecodeError:
        return _parse(text)


def _unique(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _DuplicateKeyError(key)
        found[key] = value
    return found
