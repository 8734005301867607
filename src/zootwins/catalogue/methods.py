"""How zoos are sparsified: by sparsifiers under their ids or by named twins, and with which settings."""

from collections.abc import Iterable, Mapping
from typing import Any

from zootwins.catalogue.documents import RESERVED
from zootwins.catalogue.messages import validated
from zootwins.run.errors import InputError, Mistakes
from zootwins.sparsifiers.base import Settings
from zootwins.sparsifiers.registry import REGISTRY, get_sparsifier, of_section, sparsifiers

PUBLISHED = "vd"  # the name that published twins have, whoever's they are


def zoo_methods(name: str, entry: Any, config: Any, where: str) -> dict[str, Settings]:
    """Return the settings of a zoo's methods, the run's or its own; of published twins, variational dropout's.

    Raises:
        InputError: if a setting is wrong, or published twins are wanted under another name than vd.
    """
    methods, mistakes = {}, Mistakes()
    if entry.twins_of and name in config.zoos and PUBLISHED not in (config.methods or config.twins or entry.methods):
        raise InputError(
            f"configuration: {'methods' if config.methods else 'twins'}: {name} has published twins by variational "
            f"dropout, which are imported as {PUBLISHED}; add {PUBLISHED}, or take {name} out of zoos"
        )
    for method in config.methods or tuple(config.twins) or entry.methods:
        sparsifier = get_sparsifier(method)
        of_zoo, of_twin = getattr(entry, sparsifier.section), entry.twins.get(method, {})
        if of_zoo is False or of_twin is False or (entry.twins_of and method != PUBLISHED):
            continue
        named = config.twins[method].settings if method in config.twins else {}
        key = f"zoos.{name}.twins.{method}" if named or of_twin else f"zoos.{name}.{sparsifier.section}"
        merged = getattr(config, sparsifier.section).model_dump()
        for part in (of_zoo, named, of_twin):
            merged |= sparsifier.Settings.renamed(part)
        with mistakes.collected():
            methods[method] = validated(sparsifier.Settings, merged, where, key)
    mistakes.refuse()
    return _resolved(name, methods, _epochs(entry), config, where)


def check_names(config: Any, entries: Mapping[str, Any], where: str) -> None:
    """Refuse names of twins that mean something else, and methods that there are not.

    Raises:
        InputError: with the key, and what there is; a line for each mistake in settings of twins.
    """
    key, mistakes = "configuration: twins", Mistakes()
    for name, twin in config.twins.items():
        if name in RESERVED:
            raise InputError(f"{key}.{name}: files and tables use this name for something else; take another one")
        if name in REGISTRY and get_sparsifier(name).section != (own := _section(name)):
            raise InputError(
                f"{key}.{name}: is the id of {own}, not of {twin.sparsifier}; take another name, such as {name}_2"
            )
        with mistakes.collected():
            validated(get_sparsifier(name).Settings, _sections(config, twin), "configuration", f"twins.{name}")
    mistakes.refuse()
    titles = [get_sparsifier(name).short for name in config.twins]
    if twice := [title for title in titles if titles.count(title) > 1]:
        raise InputError(f"{key}: two of them are called {twice[0]!r} in tables; change a short")
    known = list(dict.fromkeys((*config.twins, *REGISTRY)))
    transfer = config.transfer
    for key, names in (
        ("methods", config.methods),
        ("transfer.methods", transfer.methods),
        ("transfer.points", transfer.points),
    ):
        for name in names or ():
            if name not in known:
                raise InputError(f"configuration: {key}: {name!r} is no method; there are {', '.join(known)}")
    for zoo, entry in entries.items():
        for name in entry.twins:
            if zoo in config.zoos and name not in config.twins:
                raise InputError(f"{where}: zoos.{zoo}.twins.{name}: the configuration has no such twin; add it there")


def _sections(config: Any, twin: Any) -> dict[str, Any]:
    return getattr(config, twin.sparsifier).model_dump() | of_section(twin.sparsifier).Settings.renamed(twin.settings)


def _section(method: str) -> str:
    return next(one.section for one in sparsifiers() if one.id == method)


def looks(methods: Iterable[str], config: Any) -> dict[str, dict[str, str]]:
    """Return sparsifier, title, short name and colour of named twins, but of those called as their sparsifier is."""
    found = {}
    for name in methods:
        named, twin = config.twins.get(name), get_sparsifier(name)
        if named and (name not in REGISTRY or named.title or named.short or named.colour):
            texts = {"title": twin.title, "short": twin.short, "colour": twin.colour}
            found[name] = {"sparsifier": twin.section, **texts}
    return found


def _epochs(entry: Any) -> int | None:
    """Return the epochs that a zoo's originals were trained for, if the catalogue gives them."""
    return entry.source.train.epochs if entry.epoch is None and entry.source.train else entry.epoch


def _resolved(
    name: str, methods: Mapping[str, Settings], epochs: int | None, config: Any, where: str
) -> dict[str, Settings]:
    """Resolve the methods' settings from one another; a zoo that is not run is without those that do not fit."""
    resolved = {}
    for method, settings in methods.items():
        sparsifier = get_sparsifier(method)
        try:
            resolved[method] = sparsifier.resolve_settings(settings, methods, epochs)
        except ValueError as error:
            if name in config.zoos:
                key = sparsifier.section
                raise InputError(f"{where}: zoos.{name}.{key}: {error}, or set {key}: false for this zoo") from None
            continue
        if method in (circle := _needed(method, methods)) and name in config.zoos:
            raise InputError(
                f"{where}: zoos.{name}.{sparsifier.section}: {method} needs the masks of {circle[0]}, and that needs "
                f"those of {method}; take the masks of another method"
            )
    return resolved


def _needed(method: str, methods: Mapping[str, Settings]) -> list[str]:
    """Return the methods whose twins a method needs, and those that these need in turn."""
    found: list[str] = []
    todo = [method]
    while todo:
        needed = get_sparsifier(todo[0]).needs(methods[todo.pop(0)])
        new = [one for one in needed if one in methods and one not in found]
        found += new
        todo += new
    return found


def operating_points(given: Any, methods: Mapping[str, Settings]) -> dict[str, float | None]:
    """Return a value of each method's sweep parameter; the default where the catalogue has none."""
    points = {}
    for method, settings in methods.items():
        sparsifier = get_sparsifier(method)
        key = f"{of_section(sparsifier.section).id}_{sparsifier.sweep.name}"
        value = getattr(given, key) if key in given.model_fields_set else sparsifier.default_point(settings)
        if method not in REGISTRY and value is not None and sparsifier.point(settings, value) is None:
            value = sparsifier.default_point(settings)  # what the zoo says of the sparsifier is not run by this twin
        points[method] = value
    return points
