"""Pruning by configurable parts: any score, allocation, schedule, structure, update and growth.

A part is a name, such as `erk`, or a mapping with the name and the part's own settings, such as
`{name: n_of_m, n: 2, m: 4}`. Published methods with sections of their own are such combinations too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from zootwins.sparsifiers import base, composed, pruning
from zootwins.sparsifiers.composition import Composition
from zootwins.sparsifiers.parts import ALLOCATIONS, PARTS, SCHEDULES, SCORES, STRUCTURES, UPDATES, part, part_settings

Named = str | dict[str, Any]


def _of(table: Mapping[str, str]) -> BeforeValidator:
    """Return a validator of a part's name and of its settings; it leaves them as they are written."""

    def check(value: Any) -> Any:
        name, given = _split(value) if isinstance(value, str | Mapping) else (value, {})
        if not isinstance(name, str) or name not in table:
            raise ValueError(
                f"{name!r} is none of {', '.join(table)}; write one of these, or {{name: …}} with settings"
            )
        fields = part_settings(table, name).model_fields.items()
        required = ", ".join(f"{key}: …" for key, field in fields if field.is_required())
        if required and isinstance(value, str):
            raise ValueError(f"has settings without defaults; write {{name: {name}, {required}}}")
        part(table, name, **given)
        return value

    return BeforeValidator(check)


def _split(value: str | Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return a part's name and its settings."""
    if isinstance(value, str):
        return value, {}
    return value.get("name"), {str(key): setting for key, setting in value.items() if key != "name"}


class Settings(composed.Settings):
    """Settings of pruning by parts; sparsities in percent. A part is a name, or a mapping of `name` and settings."""

    score: Annotated[Named, _of(SCORES)] = Field(
        "magnitude", description=f"What weights are ranked by: {', '.join(SCORES)}."
    )
    allocation: Annotated[Named, _of(ALLOCATIONS)] = Field(
        "global", description=f"How the sparsity is divided among layers: {', '.join(ALLOCATIONS)}."
    )
    schedule: Annotated[Named, _of(SCHEDULES)] = Field(
        "one_shot", description=f"When how much is due: {', '.join(SCHEDULES)}."
    )
    structure: Annotated[Named, _of(STRUCTURES)] = Field(
        "unstructured", description=f"What is pruned together: {', '.join(STRUCTURES)}."
    )
    update: Annotated[Named, _of(UPDATES)] | None = Field(
        None, description=f"How the weights that stay make up for the others: {', '.join(UPDATES)}, or null."
    )
    growth: Annotated[Named, _of(SCORES)] | None = Field(
        None, description="What weights come back by, of schedules that exchange them; a score."
    )

    @model_validator(mode="after")
    def _parts_fit(self) -> Settings:
        if self.model_fields_set & PARTS.keys() and (mistakes := list(self._mistakes())):
            raise ValidationError.from_exception_data(
                "parts",
                [
                    {"type": PydanticCustomError("parts", reason), "loc": (key,), "input": getattr(self, key)}
                    for key, reason in mistakes
                ],
            )
        return self

    def _mistakes(self) -> Iterator[tuple[str, str]]:
        """Yield the keys of parts that do not go together, and why; what cannot be is refused here, not in a job."""
        from zootwins.population.trajectory import Moment

        names = {key: _split(value)[0] for key in PARTS if (value := getattr(self, key)) is not None}
        schedule = self.composition.schedule
        moments = [Moment(epoch + 1, 0, 1, self.epochs) for epoch in range(self.epochs)]
        if not any(schedule.progress(moment, 0.5) == 1 for moment in moments):
            yield "schedule", f"the sparsity is not reached in {self.epochs} epochs; shorten it"
        if names["schedule"] == "exchange" and "growth" not in names:
            yield "growth", "schedule exchange needs one, such as gradient (RigL) or fresh_random (SET)"
        if names["schedule"] == "exchange" and names["structure"] in ("n_of_m", "channels"):
            yield "structure", f"schedule exchange moves single weights, which breaks {names['structure']}"
        if names["structure"] == "channels" and names["allocation"] == "rows":
            yield "allocation", "rows rank single weights, structure channels has none; choose another one"
        if "update" in names and schedule.remembers:
            yield "update", "not with a schedule that remembers masked weights, which the update changes"

    @property
    def composition(self) -> Composition:
        """The parts, made."""
        named = {key: _split(value) for key in PARTS if (value := getattr(self, key)) is not None}
        made = {key: part(PARTS[key], name, **given) for key, (name, given) in named.items()}
        return Composition(**made, min_left=self.min_left)


class ComposedPruning(pruning.Pruning):
    """The same parts for all sparsities."""

    id = "composed"
    title = "Composed pruning"
    short = "Composed"
    section = "composed_pruning"
    Settings = Settings

    def needs(self, settings: Settings) -> tuple[str, ...]:
        parts = [_split(part) for part in (settings.score, settings.growth) if part is not None]
        return tuple(dict.fromkeys(own["method"] for name, own in parts if name == "kept_by"))

    def resolve_settings(self, settings: Settings, others: Mapping[str, base.Settings], epochs: int | None) -> Settings:
        for method in self.needs(settings):
            pruning.check_masks("kept_by", method, settings, others)
        return settings

    def removes_channels(self, settings: Settings) -> bool:
        return _split(settings.structure)[0] == "channels"

    def earlier_epochs(self, settings: Settings) -> tuple[int, ...]:
        rewound = settings.composition.schedule.rewind_epoch
        return tuple(dict.fromkeys((*super().earlier_epochs(settings), *(() if rewound is None else (rewound,)))))

    def composition(self, settings: Settings, at: Mapping[str, float]) -> Composition:
        return settings.composition
