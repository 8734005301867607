"""How each method looks: a colour and a marker that are its own in all figures, whatever others the run has."""

from dataclasses import dataclass

from zootwins.sparsifiers.registry import get_sparsifier, is_known, place_of

# Okabe and Ito's, then Tol's, but for black, which is the originals'. The two lengths have no common divisor, so that
# 132 places have pairs of their own, and methods that share a colour have different markers.
PALETTE = (
    *("#0072B2", "#D55E00", "#56B4E9", "#E69F00", "#CC79A7", "#8C510A"),
    *("#999933", "#332288", "#882255", "#117733", "#999999"),
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")


@dataclass(frozen=True)
class Look:
    """How a method is drawn, and what figures call it."""

    name: str
    colour: str
    marker: str

    @property
    def line(self) -> dict[str, str]:
        """Keywords of a line of this look."""
        return {"color": self.colour, "marker": self.marker}


def look_of(method: str) -> Look:
    """Return the look of a method, by its place among all that there are; a named twin may have a colour given."""
    place, sparsifier = place_of(method), get_sparsifier(method)
    colour = sparsifier.colour or PALETTE[place % len(PALETTE)]
    return Look(sparsifier.short, colour, MARKERS[place % len(MARKERS)])


def name_of(method: str) -> str:
    """Return what figures call a method; anything else is called as it is."""
    return get_sparsifier(method).short if is_known(method) else method
