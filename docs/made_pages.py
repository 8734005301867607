"""Pages of which parts are made: tables and numbers that a script writes into the Markdown again and again.

A table stands between `<!-- made: … -->` and `<!-- end -->`, a number between `<!-- n: … -->` and `<!-- -->`. The
page's script knows what the dots stand for.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from zootwins.analyses.intervals import mean_interval

MADE = re.compile(r"(<!-- made: ([^>]*?) -->\n).*?(<!-- end -->)", re.DOTALL)
INLINE = re.compile(r"(<!-- n: ([^>]*?) -->).*?(<!-- -->)", re.DOTALL)


def made_anew(text: str, block: Callable[[str], str], number: Callable[[str], str]) -> str:
    """A page's text, with its tables and numbers made of what stands after `made:` and `n:`."""
    text = MADE.sub(lambda found: f"{found[1]}\n{block(found[2])}\n{found[3]}", text)
    return INLINE.sub(lambda found: f"{found[1]}{number(found[2])}{found[3]}", text)


def with_numbers(text: str, page: object) -> str:
    """A page's text with its tables and numbers made by an object's methods: a name, then arguments, all words."""

    def made(asked: str) -> str:
        name, *arguments = asked.split()
        return getattr(page, name)(*arguments)

    return made_anew(text, made, made)


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval over n models."""

    value: float
    low: float
    high: float
    models: int

    def text(self, scale: float = 1, digits: int = 1) -> str:
        """The number and its interval, with true minus signs and none before zero."""
        if np.isnan(self.value):
            return "–"
        value, low, high = (signed(scale * number, digits) for number in (self.value, self.low, self.high))
        return f"{value} [{low}, {high}]"


def signed(number: float, digits: int = 1) -> str:
    """A number with a true minus sign, none before zero."""
    text = f"{number:.{digits}f}"
    return (text.lstrip("-") if float(text) == 0 else text).replace("-", "−")


def mean_of(values: pd.Series) -> Estimate:
    """A mean over models with its bootstrap interval."""
    known = values.dropna().to_numpy(dtype=float)
    return Estimate(known.mean() if len(known) else np.nan, *mean_interval(known), len(known))


def share_of(flags: pd.Series) -> Estimate:
    """A share of models with Wilson's interval."""
    found = stats.binomtest(int(flags.sum()), len(flags)).proportion_ci(method="wilson")
    return Estimate(flags.mean(), found.low, found.high, len(flags))


def markdown(heads: Sequence[str], rows: Iterable[Sequence[object]], right: Sequence[int] | None = None) -> str:
    """A table of Markdown; some of its columns, or all but the first, to the right."""
    right = range(1, len(heads)) if right is None else right
    marks = ["--:" if place in right else "---" for place in range(len(heads))]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in [heads, marks, *rows]) + "\n"
