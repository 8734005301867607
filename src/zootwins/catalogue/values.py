"""What lists in configurations have in common."""

from typing import Any

from pydantic import AfterValidator


def _each_once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) < len(values):
        raise ValueError("the same value stands there twice")
    return values


Once = AfterValidator(_each_once)  # of a list: it is refused if a value stands in it twice
