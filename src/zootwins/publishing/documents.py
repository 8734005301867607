"""Documents of a release: data card, Croissant with responsible-AI fields, licence, citation, RO-Crate, checksums."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import yaml

from zootwins.run.errors import InputError

CHECKSUMS = "SHA256SUMS"
INDEX = "index.parquet"
DESCRIPTION = "zoo.json"
FORMAT = "zootwins-release-1"
COLUMNS = {
    "id": "Identifier of the network: zoo and running number.",
    "zoo": "Zoo that the original belongs to.",
    "original": "Name of the dense model that the network was made of.",
    "original_index": "Number of that model in its zoo.",
    "method": "Sparsifier, or `original` for the dense model itself.",
    "point": "Value of the method's sweep parameter, such as the requested sparsity in percent.",
    "epoch": "Epoch of the weights; 0 is before training (originals: their checkpoint).",
    "status": "`ok`, `collapsed` (all test images in one class) or `diverged` (weights or loss not finite).",
    "sparsity": "Share of the prunable weights that is 0.",
    "empty_layers": "Number of layers without any weight left.",
    "settings": "Settings of the method, as JSON.",
    "train_accuracy": "Share of correct predictions while the epoch trained.",
    "train_loss": "Mean cross-entropy while the epoch trained, nats.",
    "eval_mode_train_accuracy": "Share of correct predictions on training images in evaluation mode.",
    "validation_accuracy": "Share of correct predictions on validation images.",
    "validation_loss": "Mean cross-entropy on validation images, nats.",
    "test_accuracy": "Share of correct predictions on test images.",
    "test_loss": "Mean cross-entropy on test images, nats.",
    "original_test_accuracy": "Test accuracy of the dense model.",
    "generalization_gap": "Train accuracy minus test accuracy.",
    "split": "train, validation or test; by original, so that no twin of a test model has a sibling in training.",
    "file": "Safetensors file that holds the weights.",
    "row": "Position of the network in that file's tensors.",
}


@dataclass(frozen=True)
class Release:
    """What the documents of a release are made from.

    Attributes:
        zoo: id of the zoo.
        title: its name in text.
        architecture: id of the network, or its layers.
        dataset: id of the image data.
        license: an SPDX identifier, such as CC-BY-4.0.
        authors: names.
        provenance: configuration and software, as the run records them.
        index: the index of the networks.
    """

    zoo: str
    title: str
    architecture: Any
    dataset: str
    license: str
    authors: tuple[str, ...]
    provenance: Mapping[str, str]
    index: pd.DataFrame

    @property
    def license_url(self) -> str:
        """Page with the licence's text."""
        return f"https://spdx.org/licenses/{self.license}.html"

    @property
    def description(self) -> str:
        """One paragraph on the population."""
        methods = [name for name in self.index["method"].unique() if name != "original"]
        originals = self.index["original"].nunique()
        return (
            f"{len(self.index)} neural networks: {originals} dense models of the zoo {self.title} "
            f"({self.dataset} images) and their sparsified twins by {', '.join(methods) or 'no method'}. Every twin "
            "is linked to the dense model that it was made of."
        )


def write_card(folder: Path, release: Release) -> None:
    """Write README.md, with the header that dataset hubs read."""
    index = release.index
    header = {
        "license": release.license.lower(),
        "pretty_name": f"Sparsified twins of {release.title}",
        "tags": ["model zoo", "weight space learning", "sparsity", "pruning", "zoo twins"],
        "size_categories": [_size_category(len(index))],
        "configs": [{"config_name": "index", "data_files": INDEX}],
    }
    columns = "\n".join(f"| `{name}` | {_column(name)} |" for name in index)
    text = f"""---
{yaml.safe_dump(header, sort_keys=False).strip()}
---

# Sparsified twins of {release.title}

{release.description}

## Networks

{_counts(index).to_markdown(index=False)}

Accuracies are fractions. n counts networks, those that collapsed or diverged among them (`status`).

## Load

```python
import zootwins

zoo = zootwins.load("{release.zoo}")  # this folder, or the name of the repository on the hub
print(zoo.index.head())
network = zoo.module(0)               # a torch.nn.Module
```

Without this package: `pandas.read_parquet("{INDEX}")` or `datasets.load_dataset("parquet", data_files="{INDEX}")`;
weights by `safetensors.safe_open(file)`, tensor `name[row]`. `zoo.json` says which architecture the tensors belong to.

## Columns of {INDEX}

| column | meaning |
|---|---|
{columns}

## How it was made

By Zoo Twins; software and configuration are in `zoo.json`. Weights are those that were evaluated: pruned weights are 0,
and methods with noise or gates are stored as their deterministic networks. Splits are by original (70, 15 and 15 %),
ordered by a hash of the names, and frozen by being stored here.

## Limits

{_LIMITS}

## Licence and citation

{release.license} ({release.license_url}). Authors: {", ".join(release.authors)}. Please cite `CITATION.cff`.
"""
    (folder / "README.md").write_text(text, encoding="utf-8")


_LIMITS = (
    "Networks are small and were trained on small images; nothing here says how large networks behave. Networks of one "
    "original are not independent. Test accuracies have the sampling error of a finite test set. Labels and images "
    "carry the biases of the image data that the zoo was trained on."
)


def _column(name: str) -> str:
    return COLUMNS.get(name, "Generating factor of the original, or an axis of the method.")


def _counts(index: pd.DataFrame) -> pd.DataFrame:
    grouped = index.groupby("method", sort=False)
    table = grouped.agg(
        n=("id", "size"), test_accuracy=("test_accuracy", "median"), sparsity=("sparsity", "median")
    ).reset_index()
    return table.rename(columns={"test_accuracy": "median test accuracy", "sparsity": "median sparsity"}).round(3)


def _size_category(rows: int) -> str:
    for bound, name in ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")):
        if rows < bound:
            return name
    return "1M<n<10M"


def write_legal(folder: Path, release: Release, version: str) -> None:
    """Write LICENSE and CITATION.cff."""
    (folder / "LICENSE").write_text(
        f"SPDX-License-Identifier: {release.license}\n\nThe text of the licence: {release.license_url}\n",
        encoding="utf-8",
    )
    citation = {
        "cff-version": "1.2.0",
        "message": "If you use these networks, please cite them as below.",
        "type": "dataset",
        "title": f"Sparsified twins of {release.title}",
        "authors": [{"name": author} for author in release.authors],
        "license": release.license,
        "references": [
            {
                "type": "article",
                "title": "Sparsified Model Zoo Twins: Investigating Populations of Sparsified Neural Network Models",
                "authors": [
                    {"family-names": "Honegger", "given-names": "Dominik"},
                    {"family-names": "Schürholt", "given-names": "Konstantin"},
                    {"family-names": "Borth", "given-names": "Damian"},
                ],
                "url": "https://arxiv.org/abs/2304.13718",
                "year": 2023,
            },
            {
                "type": "software",
                "title": "Zoo Twins",
                "authors": [{"name": "The Zoo Twins developers"}],
                "version": version,
            },
        ],
    }
    (folder / "CITATION.cff").write_text(
        yaml.safe_dump(citation, sort_keys=False, allow_unicode=True), encoding="utf-8"
    )


def write_croissant(folder: Path, release: Release, version: str, files: Iterable[str]) -> None:
    """Write croissant.json (Croissant 1.0 with responsible-AI fields) and have mlcroissant validate it.

    Raises:
        InputError: if mlcroissant finds the metadata invalid.
    """
    import mlcroissant

    path = folder / "croissant.json"
    path.write_text(json.dumps(_croissant(folder, release, version, files), indent=2), encoding="utf-8")
    try:
        mlcroissant.Dataset(path)
    except mlcroissant.ValidationError as error:
        raise InputError(f"{path}: mlcroissant finds it invalid: {' '.join(str(error).split())}") from None


def _croissant(folder: Path, release: Release, version: str, files: Iterable[str]) -> dict[str, Any]:
    kinds = {".parquet": "application/x-parquet", ".json": "application/json"}
    distribution = [
        {
            "@type": "cr:FileObject",
            "@id": name,
            "name": name,
            "contentUrl": name,
            "encodingFormat": kinds.get(Path(name).suffix, "application/octet-stream"),
            "sha256": _digest(folder / name),
            "contentSize": f"{(folder / name).stat().st_size} B",
        }
        for name in files
    ]
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"networks/{name}",
            "name": name,
            "description": _column(name),
            "dataType": _data_type(kind),
            "source": {"fileObject": {"@id": INDEX}, "extract": {"column": name}},
        }
        for name, kind in zip(*_schema(folder / INDEX), strict=True)
    ]
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": f"zoo-twins-{release.zoo.replace('_', '-')}",
        "description": release.description,
        "license": release.license_url,
        "creator": [{"@type": "sc:Person", "name": author} for author in release.authors],
        "datePublished": date.today().isoformat(),
        "version": version,
        "citeAs": f"{', '.join(release.authors)}: Sparsified twins of {release.title}",
        "isLiveDataset": False,
        "rai:dataCollection": "Networks were trained and sparsified by Zoo Twins; zoo.json holds the configuration.",
        "rai:dataCollectionType": ["Software Collection", "Experiments"],
        "rai:dataLimitations": _LIMITS,
        "rai:dataBiases": f"Networks inherit the biases of the {release.dataset} images that they were trained on.",
        "rai:dataUseCases": "Weight-space learning, and the study of sparsification over populations of networks. "
        "Not for use as classifiers of real images.",
        "rai:dataSocialImpact": "None is expected beyond that of the image data; the networks are small and weak.",
        "rai:personalSensitiveInformation": "None.",
        "rai:dataReleaseMaintenancePlan": "Releases are versioned; splits do not change within a version.",
        "distribution": distribution,
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "networks",
                "name": "networks",
                "description": "One record per network.",
                "key": {"@id": "networks/id"},
                "field": fields,
            }
        ],
    }


def _schema(path: Path) -> tuple[list[str], list[str]]:
    schema = pq.read_schema(path)
    return schema.names, [str(kind) for kind in schema.types]


def _data_type(kind: str) -> str:
    if kind.startswith(("float", "double")):
        return "sc:Float"
    return "sc:Integer" if kind.startswith(("int", "uint")) else "sc:Boolean" if kind == "bool" else "sc:Text"


CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def write_crate(folder: Path, release: Release, version: str, files: Iterable[str]) -> None:
    """Write ro-crate-metadata.json: the files, and the action and the software that made them (RO-Crate 1.1)."""
    from rocrate.model import ContextEntity, Person, SoftwareApplication
    from rocrate.rocrate import ROCrate

    crate = ROCrate()
    crate.name = f"Sparsified twins of {release.title}"
    crate.description = release.description
    crate.license = release.license_url
    crate.creator = [crate.add(Person(crate, f"#{author}", {"name": author})) for author in release.authors]
    entries = [crate.add_file(folder / name, dest_path=name) for name in files]
    properties = {"name": "Zoo Twins", "version": version}
    software = crate.add(SoftwareApplication(crate, "#zoo-twins", properties=properties))
    action = crate.add(
        ContextEntity(
            crate,
            "#sparsify",
            properties={
                "@type": "CreateAction",
                "name": "Train and sparsify the zoo",
                "description": release.provenance.get("configuration", ""),
            },
        )
    )
    action["instrument"], action["result"] = software, entries
    crate.root_dataset["mentions"] = action
    metadata = crate.metadata.generate()
    (folder / "ro-crate-metadata.json").write_text(json.dumps(metadata, indent=2), encoding="utf-8")


def write_checksums(folder: Path) -> None:
    """Write SHA256SUMS over all other files, in the form that `sha256sum --check` reads."""
    names = sorted(path.name for path in folder.iterdir() if path.name != CHECKSUMS)
    lines = "".join(f"{_digest(folder / name)}  {name}\n" for name in names)
    (folder / CHECKSUMS).write_text(lines, encoding="utf-8")


def _digest(path: Path) -> str:
    checksum = sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            checksum.update(block)
    return checksum.hexdigest()
