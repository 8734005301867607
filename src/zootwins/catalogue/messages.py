"""Says in one line what is wrong: with a document, in the words of the user's own file, or with a target.

Targets are those of the command line that no rule makes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import zip_longest
from operator import eq
from os.path import normpath
from pathlib import PurePosixPath
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from zootwins.run.errors import InputError

EXPLAINED = "the keys are explained in config/README.md"

Model = TypeVar("Model", bound=BaseModel)
ENTRY = "{name}"  # in paths of sections: a key that users choose
# Tables, figures and rules of the previous version, and what they are called now.
FORMER_NAMES = {
    "paired_difference": "method_difference",
    "paired_methods": "equal_sparsity_comparison",
    "candidates": "hypotheses",
    "collect_candidates": "collect_hypotheses",
    "mix_strangers": "mix_unrelated_models",
}
_LONGEST_NAME = 255  # bytes, on all common file systems


def validated(model: type[Model], document: Any, where: str, key: str = "") -> Model:
    """Return a document as an object.

    Args:
        model: its keys.
        where: the file, for messages.
        key: where in the file the document stands.

    Raises:
        InputError: one line for every mistake, each with file, key and remedy.
    """
    if not isinstance(document, Mapping):
        what = "is empty" if document is None else f"{_shown(document)} is not a section of keys"
        raise InputError(f"{where}: {key + ': ' if key else ''}{what}; {EXPLAINED}")
    try:
        return model.model_validate(document)
    except ValidationError as error:
        prefix = [key] if key else []
        found = [one | {"path": _path(one)} for one in error.errors(include_url=False)]
        found.sort(key=lambda one: one["type"] != "extra_forbidden")
        lines = dict.fromkeys(_message(one, prefix, model) for one in found if not _follows(one, found))
        raise InputError("\n".join(f"{where}: {line}; {EXPLAINED}" for line in lines)) from None


def _path(error: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the keys that lead to a mistake, without pydantic's names of a union's alternatives."""
    return tuple(str(part) for part in error["loc"] if not str(part).startswith(("dict[", "literal[")))


def _follows(error: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a mistake is another one's consequence, or pydantic's second message about one value."""
    path = error["path"]
    if error["type"] == "missing":
        unknown = [one["path"] for one in found if one["type"] == "extra_forbidden"]
        return any(key[:-1] == path[:-1] and get_close_matches(key[-1], [path[-1]]) for key in unknown)
    if error["type"] == "too_short":
        return any(one["path"][:-1] == path for one in found)
    same = [one for one in found if one["path"] == path and one["input"] is error["input"]]
    return error["type"] == "literal_error" and len(same) > 1


def _message(error: Mapping[str, Any], prefix: list[str], model: type[BaseModel]) -> str:
    path, given = list(error["path"]), error["input"]
    place = ".".join(prefix + path) or "top level"
    if error["type"] == "extra_forbidden":
        return f"{place}: there is no key {path[-1]!r} here{_advice(path, model)}"
    if error["type"] == "missing":
        section = len(path) == 1 and any(_models(model.model_fields[path[0]].annotation))
        return f"{place}: is missing; add {'this section, with its keys' if section else 'it'}"
    if path and path[-1] == "[key]":
        return f"{'.'.join(prefix + path[:-2])}: {given!r}: {_reason(error)}"
    return f"{place}{'' if isinstance(given, Mapping) else f': {_shown(given)}'}: {_reason(error)}"


def _reason(error: Mapping[str, Any]) -> str:
    """Return what is wrong with a value, without names of Python's types."""
    given = error["input"]
    match error["type"]:
        case "tuple_type" | "list_type":
            return f"is not a list; write [{given}] (with --config, '{error['path'][-1]}=[\"{given}\"]')"
        case "dict_type" | "model_type":
            return "is empty; add its keys" if given is None else "is not a section; write its keys, indented, under it"
        case "too_short":
            return f"needs at least {error['ctx']['min_length']} value"
        case "string_type":
            return "is empty; write a text" if given is None else "is not a text; put it in quotes"
        case "int_parsing" | "int_type" | "int_from_float":
            return "is not a whole number"
        case "float_parsing" | "float_type":
            return "is not a number"
        case "finite_number":
            return "is not a finite number"
        case "bool_parsing" | "bool_type":
            return "is not true or false"
        case "string_pattern_mismatch":
            return f"does not match {error['ctx']['pattern'].strip('^$')}"
        case "literal_error":
            return f"is not one of {error['ctx']['expected'].replace(' or ', ', ')}"
    reason = error["msg"].removeprefix("Value error, ")
    return " ".join(f"{reason[0].lower()}{reason[1:]}".split())


def _shown(value: Any) -> str:
    text = "null" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:58]} …"


def _advice(path: Sequence[str], model: type[BaseModel]) -> str:
    """Return where a misplaced key belongs, or which one may be meant."""
    name, sections = path[-1], dict(_sections(model))
    here = next((known for known in sections if _matches(known, path[:-1])), None)
    if here is None:  # a section that validates itself, such as a part of composed pruning
        return ""
    others = [known for known, section in sections.items() if name in section.model_fields and known != here]
    if others:
        best = max(others, key=lambda known: sum(map(eq, known, here)))
        named = [given if key == ENTRY else key for key, given in zip_longest(best, path[: len(best)])]
        return f"; it belongs under {'.'.join(named) or 'no section'}: check its indentation"
    near = get_close_matches(name, sections[here].model_fields, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _matches(known: Sequence[str], path: Sequence[str]) -> bool:
    return len(known) == len(path) and all(a in (b, ENTRY) for a, b in zip(known, path, strict=True))


def _sections(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], type[BaseModel]]]:
    """Return a model and the sections within it, each with the keys that lead to it."""
    yield path, model
    for name, field in model.model_fields.items():
        for inner, keys in _models(field.annotation):
            yield from _sections(inner, (*path, name, *keys))


def _models(annotation: Any) -> Iterator[tuple[type[BaseModel], tuple[str, ...]]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, ()
    named = getattr(annotation, "__origin__", None) is dict
    for argument in get_args(annotation):
        yield from ((model, (ENTRY, *keys) if named else keys) for model, keys in _models(argument))


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
        return f"{target}: no rule makes it from this configuration; what files there are: docs/reference/targets.md"
    known = sorted(known)
    near = get_close_matches(target, known, n=3, cutoff=0.7)
    same_folder = [path for path in known if PurePosixPath(path).parent == PurePosixPath(target).parent and "/" in path]
    names = list(dict.fromkeys(PurePosixPath(path).name.partition(".")[0] for path in same_folder))
    advice = f"; did you mean {' or '.join(near)}?" if near else ""
    return f"{target}: there is no such target{advice}" + (f"; that folder has {', '.join(names)}" if names else "")
