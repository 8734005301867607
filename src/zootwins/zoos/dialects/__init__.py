"""Dialects of raw zoos: layouts of published populations on disk, one module each."""

from collections.abc import Mapping
from typing import Any

from zootwins.run.errors import InputError
from zootwins.zoos.dialects.base import RawZoo
from zootwins.zoos.dialects.modelzoo import ModelZoo
from zootwins.zoos.dialects.open_lth import OpenLth
from zootwins.zoos.dialects.small_cnn_zoo import SmallCnnZoo
from zootwins.zoos.dialects.weightclip import WeightClip
from zootwins.zoos.members import Members, users_file
from zootwins.zoos.ray_folders import why_no_models

# The first that recognises a zoo's files reads them, so that special dialects come before general ones.
DIALECTS: tuple[type[RawZoo], ...] = (SmallCnnZoo, OpenLth, WeightClip, ModelZoo)


def open_zoo(members: Members, dialect: str | None = None, given: Mapping[str, Any] | None = None) -> RawZoo:
    """Return a raw zoo in its dialect.

    Args:
        members: the files.
        dialect: its id, if the catalogue says it; else it is recognised from the files.
        given: generating factors that the catalogue gives where the files have none.

    Raises:
        InputError: if no dialect recognises the files.
    """
    for known in DIALECTS:
        if known.id == dialect or (dialect is None and known.recognises(members)):
            return known(members, given)
    raise InputError(f"{users_file(members.path)}: {why_no_models(members)}")
