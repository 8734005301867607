"""The pages of the site, from docs/ and from what has the facts: schemas, docstrings, files of the project.

A page may hold `<!-- file: config/README.md -->`, which stands for that file. `<!-- keys: configuration -->` …
`<!-- end of keys -->` encloses tables made from a schema; config/README.md has them for readers without the site, and a
test compares.

    python docs/pages.py                  writes build/pages, which mkdocs.yml makes the site from
    python docs/pages.py --update-readme  writes the tables of keys in config/README.md anew, and the lists of
                                          targets and of what they make in docs/reference/targets.md
    python docs/pages.py --thumbnails results/figures   renews docs/images/thumbnails from a run's figures
"""

import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from posixpath import dirname, join, normpath, relpath
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
RESULTS = re.compile(r"(<!-- results: (\w+) -->\n).*?(<!-- end of results -->)", re.DOTALL)
INCLUDED = re.compile(r"<!-- file: ([\w./-]+) -->")
THUMBNAILS = "images/thumbnails"
LONG = "long table ([columns](files.md#columns))"
KEYS = re.compile(r"(<!-- keys: (\w+) -->\n).*?(<!-- end of keys -->)", re.DOTALL)


def schemas() -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """The JSON schema of each document, and its default values."""
    from zootwins.catalogue.documents import catalogue_model, configuration_model

    defaults = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    return {
        "configuration": (configuration_model().model_json_schema(), defaults),
        "catalogue": (catalogue_model().model_json_schema(), {}),
    }


def key_tables(schema: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """The keys of a JSON schema as Markdown: a table for it, and one for every section in it.

    Args:
        schema: of an object.
        defaults: values that keys have elsewhere; they go before those in the schema.
    """
    parts = []
    for path, node, values in _sections(schema, schema, defaults, ""):
        heading = f"### `{path}`\n\n" if path else ""
        rows = [
            f"| `{key}` | {_values(_resolved(child, schema), schema)} | {_default(node, key, child, values)} "
            f"| {_described(child, schema)} |"
            for key, child in node["properties"].items()
        ]
        table = "\n".join(["| key | values | default | meaning |", "|---|---|---|---|", *rows])
        parts.append(f"{heading}{node.get('description', '')}\n\n{table}\n")
    return "\n".join(parts)


def part_table() -> str:
    """The settings of the parts that composed pruning may name, as Markdown; parts without settings are left out."""
    from zootwins.sparsifiers.parts import PARTS, part_settings

    rows = [("part", "name", "key", "values", "default", "meaning")]
    for part, table in list(PARTS.items())[:-1]:  # growth has the scores too
        for name in table:
            node = part_settings(table, name).model_json_schema()
            for key, child in node["properties"].items():
                about = _values(child, node), _default(node, key, child, {}), _described(child, node)
                rows.append((f"`{part}`", f"`{name}`", f"`{key}`", *about))
    return _markdown(rows[0], rows[1:])


def _resolved(node: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """A node with what it refers to; what stands beside a reference goes before it."""
    reference = node.get("$ref")
    return {**schema["$defs"][reference.rpartition("/")[2]], **node} if reference else dict(node)


def _alternatives(node: Mapping[str, Any], schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    node = _resolved(node, schema)
    return [_resolved(one, schema) for one in node.get("anyOf") or node.get("oneOf") or [node]]


def _sections(
    node: Mapping[str, Any], schema: Mapping[str, Any], defaults: Any, path: str
) -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Every object with keys of its own, by its path, with its default values."""
    for one in _alternatives(node, schema):
        if "properties" in one:
            yield path, one, defaults
            for key, child in one["properties"].items():
                below = defaults.get(key, {}) if isinstance(defaults, Mapping) else {}
                yield from _sections(child, schema, below, f"{path}.{key}".lstrip("."))
        for child in [*one.get("patternProperties", {}).values(), one.get("additionalProperties")]:
            if isinstance(child, Mapping):
                yield from _sections(child, schema, {}, f"{path}.{{name}}")


def _values(node: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """What a key may hold, in words."""
    if "anyOf" in node or "oneOf" in node:
        return " or ".join(_values(one, schema) for one in _alternatives(node, schema))
    if "const" in node or "enum" in node:
        return ", ".join(_code(value) for value in node.get("enum", [node.get("const")]))
    if node.get("type") == "array":
        return f"list of {_values(_resolved(node.get('items', {}), schema), schema)}"
    if node.get("type") == "object":
        return "section"
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = ", ".join(f"{sign} {node[bound]:g}" for bound, sign in signs.items() if bound in node)
    names = {"string": "text", "boolean": "`true`, `false`", "null": "`null`"}
    return " ".join(filter(None, [names.get(node.get("type"), node.get("type", "anything")), bounds]))


def _default(node: Mapping[str, Any], key: str, child: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    value = defaults.get(key, child.get("default"))
    if isinstance(value, Mapping):
        return ""
    if value is None and key not in defaults:
        return "required" if key in node.get("required", ()) else ""
    return _code(value)


def _described(node: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    texts = [_resolved(node, schema).get("description")]
    texts += [one.get("description") for one in _alternatives(node, schema)]
    return next(filter(None, texts), "").replace("|", r"\|").replace("\n", " ")


def _code(value: Any) -> str:
    """A value as it stands in YAML."""
    text = yaml.safe_dump(value, default_flow_style=True, width=1000)
    return f"`{text.strip().removesuffix('...').strip()}`"


def target_tables(kind: str) -> str:
    """List the `targets` of the experiments, or all that each of their `families` makes, as Markdown."""
    from zootwins.catalogue.experiments import experiments

    if kind == "families":
        return "\n\n".join(_family(one) for one in experiments())
    known = [one for one in experiments() if not one.in_all]
    rows = [(f"[`{one.id}`](#{one.id})", one.title) for one in known]
    return _markdown(("target", "what it makes"), rows)


def _family(experiment: Any) -> str:
    """A section with everything that an experiment makes, below `results/`, and thumbnails of its figures."""
    part = "a part of `all`" if experiment.in_all else f"`snakemake --cores 4 {experiment.id}`, not a part of `all`"
    page = f" [What it found](../{experiment.page})." if experiment.page else ""
    rows = [
        *((f"`tables/{table.name}.csv`", table.title) for table in experiment.tables),
        *((f"`figures/{one.name}.svg`", one.label) for one in experiment.figures),
        *((f"`{experiment.shown_path(name.replace('*', '{method}'))}`", LONG) for name in experiment.long_tables),
    ]
    thumbnails = [f"{THUMBNAILS}/{one.name}.png" for one in experiment.figures]
    pictures = [f"![{Path(path).stem}](../{path})" for path in thumbnails if (ROOT / "docs" / path).exists()]
    text = f"{experiment.title[0].upper()}{experiment.title[1:]}; {part}.{page}"
    parts = [f"### `{experiment.id}`", text, " ".join(pictures), _markdown(("file", "what it shows"), rows)]
    return "\n\n".join(filter(None, parts))


def make_thumbnails(figures: Path, width: int = 240) -> None:
    """Make small pictures of a run's figures (`results/figures`), as the page of targets shows them."""
    from PIL import Image

    for path in figures.glob("*.png"):
        picture = Image.open(path).convert("RGB")
        picture.thumbnail((width, 10 * width), Image.Resampling.LANCZOS)
        picture.quantize(64).save(ROOT / "docs" / THUMBNAILS / path.name, optimize=True)


def _markdown(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def with_results(text: str) -> str:
    """A text whose lists of targets and of what they make are made anew."""
    return RESULTS.sub(lambda match: f"{match[1]}\n{target_tables(match[2])}\n\n{match[3]}", text)


def with_keys(text: str) -> str:
    """A text whose tables of keys are made anew."""

    def tables(match: re.Match) -> str:
        made = f"{part_table()}\n" if match[2] == "parts" else key_tables(*schemas()[match[2]])
        return f"{match[1]}\n{made}\n{match[3]}"

    return KEYS.sub(tables, text)


def relinked(markdown: str, source: str, page: str, pages: Mapping[str, str]) -> str:
    """A text whose links lead from a file of the project to pages; those to files that are no pages become text.

    Args:
        source: the file that the text is from.
        page: the page that it is put on.
        pages: the page of every file that has one.
    """

    def link(match: re.Match) -> str:
        mark, text, target, place = match.groups()
        if not target or ":" in target:
            return match[0]
        path = normpath(join(dirname(source), target))
        return f"{mark}[{text}]({relpath(pages[path], dirname(page) or '.')}{place})" if path in pages else text

    return re.sub(r"(!?)\[([^]]+)\]\(([^)#\s]*)(#[^)\s]*|)\)", link, markdown)


def write_pages(folder: Path) -> None:
    """Write all pages and what they show, and a page for every package of the API."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs", folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    (folder / "reference/api").mkdir()
    for package in (ROOT / "src/zootwins").glob("*/__init__.py"):
        name = package.parent.name
        (folder / f"reference/api/{name}.md").write_text(
            f"# zootwins.{name}\n\n::: zootwins.{name}\n", encoding="utf-8"
        )
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    texts = {name: path.read_text(encoding="utf-8") for name, path in files.items() if path.suffix == ".md"}
    pages = {f"docs/{name}": name for name in files}
    pages |= {file: name for name, text in texts.items() for file in INCLUDED.findall(text)}
    for name, text in texts.items():
        text = relinked(text, f"docs/{name}", name, pages)
        for file in INCLUDED.findall(text):
            included = with_keys((ROOT / file).read_text(encoding="utf-8"))
            text = text.replace(f"<!-- file: {file} -->", relinked(included, file, name, pages))
        files[name].write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] == ["--update-readme"]:
        for name, renewed in (("config/README.md", with_keys), ("docs/reference/targets.md", with_results)):
            text = (ROOT / name).read_text(encoding="utf-8")
            (ROOT / name).write_text(renewed(text), encoding="utf-8")
    elif sys.argv[1:2] == ["--thumbnails"]:
        make_thumbnails(Path(sys.argv[2]))
    else:
        write_pages(ROOT / "build/pages")
