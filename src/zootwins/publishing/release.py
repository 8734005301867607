"""Write a release: a folder with a population's weights, their index and what others need to use them."""

import json
import shutil
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from zootwins.publishing import documents
from zootwins.publishing.documents import DESCRIPTION, FORMAT, INDEX, Release
from zootwins.publishing.networks import dense_networks, index_of, twin_networks
from zootwins.publishing.weights import WeightFiles, weight_files
from zootwins.run.errors import InputError
from zootwins.sparsifiers.base import Settings
from zootwins.storage.shards import TwinShard
from zootwins.zoos.originals import Originals


def write_release(
    folder: Path,
    about: Mapping[str, Any],
    originals: Originals,
    models: pd.DataFrame,
    twins: Iterable[tuple[TwinShard, pd.DataFrame, Settings]],
    provenance: Mapping[str, str],
) -> pd.DataFrame:
    """Write a release into a folder, which is emptied first.

    Args:
        folder: such as results/published/{zoo}.
        about: zoo, title, dataset, architecture (as the catalogue has it), license (SPDX identifier) and authors.
        originals: the dense models that were not excluded.
        models: models.csv.
        twins: every shard with its method's table of scores and settings.
        provenance: configuration and software of the run.

    Returns:
        The index: see `networks.index_of`, with `file` and `row`.

    Raises:
        InputError: if licence or authors are missing, or weights of a point were not kept.
    """
    _check_legal(about)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with WeightFiles(folder) as weights:
        weights.add(dense_networks(originals, models))
        for shard, scores, settings in twins:
            for networks in twin_networks(shard, scores, settings):
                weights.add(networks)
    index = index_of(about["zoo"], weights.rows, models)
    index.to_parquet(folder / INDEX, index=False)
    _describe(folder, about, originals, provenance)
    documented = [INDEX, DESCRIPTION, *(path.name for path in weight_files(folder))]
    release = Release(
        zoo=about["zoo"],
        title=about["title"],
        architecture=about["architecture"],
        dataset=about["dataset"],
        license=about["license"],
        authors=tuple(about["authors"]),
        provenance=provenance,
        index=index,
    )
    software = version("zootwins")
    documents.write_card(folder, release)
    documents.write_legal(folder, release, software)
    documents.write_croissant(folder, release, software, documented)
    documents.write_crate(folder, release, software, documented)
    documents.write_checksums(folder)
    return index


def _check_legal(about: Mapping[str, Any]) -> None:
    missing = [key for key in ("license", "authors") if not about.get(key)]
    if missing:
        raise InputError(
            f"zoos.{about['zoo']}.publication: has no {' and no '.join(missing)}; others may use the networks only "
            "under a licence: set publication: {license: CC-BY-4.0, authors: [Your Name]} in the catalogue, and mind "
            "the licence of the zoo that the twins were made of"
        )


def _describe(folder: Path, about: Mapping[str, Any], originals: Originals, provenance: Mapping[str, str]) -> None:
    architecture = originals.architecture
    description = {
        "format": FORMAT,
        **{key: about[key] for key in ("zoo", "title", "dataset", "architecture", "license", "authors")},
        **architecture.images,
        "parameters": {name: list(shape) for name, shape in architecture.parameter_shapes.items()},
        "buffers": {name: list(shape) for name, shape in architecture.buffer_shapes.items()},
        "provenance": dict(provenance),
    }
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=1, default=str), encoding="utf-8")
