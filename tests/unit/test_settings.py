"""What every section refuses, whichever it is."""

from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError

from zootwins.run.settings import Ascending, NotNegative, Once, Percent, PercentOrZero, Section


class Example(Section):
    """One key of every kind."""

    number: float | None = None
    count: int = Field(1, ge=1)
    switch: bool = False
    off: Literal[False] | dict[str, int] = False
    percent: Annotated[tuple[Percent, ...], Ascending] = ()
    with_zero: tuple[PercentOrZero, ...] = ()
    decays: Annotated[tuple[NotNegative, ...], Once] = ()


def test_values_that_can_be_meant_are_taken():
    example = Example(number="1e-3", count="4", switch="yes", off=False, percent=[80, "5e1", 99.5], with_zero=[0, 1])
    assert (example.number, example.count, example.switch, example.off) == (1e-3, 4, True, False)
    assert (example.percent, example.with_zero) == ((50.0, 80.0, 99.5), (0.0, 1.0))
    assert Example(decays=[1, 0]).decays == (1.0, 0.0)  # in their order
    assert Example(number="null").number is None  # as --config passes it


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("number", float("inf"), "finite"),
        ("number", "nan", "finite"),
        ("number", True, "takes no true or false"),
        ("count", False, "takes no true or false"),
        ("decays", [0.1, True], "takes no true or false"),
        ("decays", [float("inf")], "finite"),
        ("decays", [0, 0.0], "0.0 is listed twice"),
        ("percent", [80, 80], "80.0 is listed twice"),
        ("percent", [0.8], "in percent; write 80 if"),
        ("percent", [0], "greater than 0"),
        ("with_zero", [0, 0.5], "in percent; write 50 if"),
        ("typo", 1, "Extra inputs"),
    ],
)
def test_values_that_cannot_be_meant_are_refused(key, value, message):
    with pytest.raises(ValidationError, match=message):
        Example(**{key: value})
