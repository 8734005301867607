"""Sections of the configuration and the catalogue: their base model, and the kinds of values that they hold.

Methods, zoos, experiments and the catalogue all define their settings with these, so that a value means the same and
is refused in the same words everywhere.
"""

from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator


class Section(BaseModel):
    """A section: unknown keys, infinite numbers, and true or false in place of a number are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _null_as_text(cls, value: Any, info: ValidationInfo) -> Any:
        """Accept null as text, as `--config` passes it."""
        alternatives = get_args(cls.model_fields[info.field_name].annotation)
        return None if value == "null" and type(None) in alternatives and str not in alternatives else value

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_value_as_number(cls, value: Any, info: ValidationInfo) -> Any:
        values = value if isinstance(value, list | tuple) else [value]
        if any(isinstance(one, bool) for one in values) and not _takes_bool(
            cls.model_fields[info.field_name].annotation
        ):
            raise ValueError("this key takes no true or false (in YAML also yes, no, on and off)")
        return value


def _takes_bool(annotation: Any) -> bool:
    """Whether bool, or a literal true or false, is anywhere in an annotation."""
    return annotation is bool or isinstance(annotation, bool) or any(map(_takes_bool, get_args(annotation)))


def _listed_once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    twice = [value for place, value in enumerate(values) if value in values[:place]]
    if twice:
        raise ValueError(f"{twice[0]} is listed twice; leave one out")
    return values


def _ascending(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(sorted(_listed_once(values)))


def _in_percent(value: float) -> float:
    if 0 < value < 1:
        raise ValueError(f"values are in percent; write {100 * value:g} if you mean that share of the weights")
    return value


Once = AfterValidator(_listed_once)  # of a list: no value may be in it twice
Ascending = AfterValidator(_ascending)  # of a list: no value may be in it twice, and it is sorted

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Percent = Annotated[float, Field(gt=0, lt=100), AfterValidator(_in_percent)]
PercentOrZero = Annotated[float, Field(ge=0, lt=100), AfterValidator(_in_percent)]
