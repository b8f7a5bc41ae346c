"""Figures that notebooks show. Imports matplotlib: import this where a figure is made, not before."""

from __future__ import annotations

from matplotlib import figure

__all__ = ["Figure"]


class Figure(figure.Figure):
    """A figure without pyplot that a notebook shows when it is the value of a cell.

    IPython knows how to draw figures only once pyplot has been imported; without that it would print the size.
    """

    def _repr_png_(self) -> bytes:
        """The picture, for IPython's display."""
        from wolter.plot._style import render

        return render(self, "png", dpi=self.dpi)
