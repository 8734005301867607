"""Explains targets of the command line that no rule makes."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from os.path import normpath
from pathlib import PurePosixPath
from typing import Any

# Tables, figures and rules of the previous version, and what they are called now.
FORMER_NAMES = {
    "paired_difference": "method_difference",
    "paired_methods": "equal_sparsity_comparison",
    "candidates": "hypotheses",
    "collect_candidates": "collect_hypotheses",
    "mix_strangers": "mix_unrelated_models",
}
_LONGEST_NAME = 255  # bytes, on all common file systems


def too_long(target: str) -> str | None:
    """Return what to write instead of a path whose name is too long for a file; None if it is not."""
    if all(len(part.encode()) <= _LONGEST_NAME for part in PurePosixPath(target).parts):
        return None
    return (
        f"{target}: no file can have a name of more than {_LONGEST_NAME} bytes; write the model's index in models.csv "
        "instead of its name, such as results/models/{zoo}/{method}/0.safetensors"
    )


def unknown_target(target: str, known: Iterable[str], catalogue: Mapping[str, Any]) -> str:
    """Say in one line why nothing makes a target, and which may be meant.

    Args:
        target: as it is on the command line.
        known: names of rules, and paths of tables and figures.
        catalogue: the zoos by id.
    """
    path = PurePosixPath(normpath(target))
    former, *suffixes = path.name.split(".")
    if former in FORMER_NAMES:
        return f"{target}: is now called {path.with_name('.'.join((FORMER_NAMES[former], *suffixes)))}"
    parts = path.parts
    if parts[:1] == ("results",) and parts[1:2] not in (("tables",), ("figures",)) and len(parts) > 3:
        if parts[2] not in catalogue:
            return f"{target}: there is no zoo {parts[2]!r}; the catalogue has {', '.join(catalogue)}"
        return f"{target}: no rule makes it from this configuration; see docs/concepts.md for the files that there are"
    known = sorted(known)
    near = get_close_matches(target, known, n=3, cutoff=0.7)
    same_folder = [path for path in known if PurePosixPath(path).parent == PurePosixPath(target).parent and "/" in path]
    names = list(dict.fromkeys(PurePosixPath(path).name.partition(".")[0] for path in same_folder))
    advice = f"; did you mean {' or '.join(near)}?" if near else ""
    return f"{target}: there is no such target{advice}" + (f"; that folder has {', '.join(names)}" if names else "")
