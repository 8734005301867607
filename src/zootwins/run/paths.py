"""Where the paths lead that a user writes into configuration and catalogue."""

from pathlib import Path


def located(path: str | Path, root: Path) -> Path:
    """A path of the user's: relative to the working directory or, where it is only there, to the workflow's folder.

    The two are one in a clone of the project. As a module of another workflow, or with `--directory`, the user's own
    files come first; what the project brings along is found, and nothing is looked for or made there otherwise.
    """
    inside = root / path
    return inside if inside.exists() and not Path(path).exists() else Path(path)
