"""`Plot`: XSPEC's plots as numbers and as figures."""

from __future__ import annotations

from typing import Any

from wolter.compat.xspec import axis as axes
from wolter.compat.xspec.axis import axis_of
from wolter.compat.xspec.errors import XspecError, missing
from wolter.compat.xspec.plotkinds import Curve, Window, make_window, plot_names, split_panes
from wolter.compat.xspec.ranges import number_ranges
from wolter.compat.xspec.restrict import Restricted
from wolter.compat.xspec.session import SESSION
from wolter.fit._blas import single_thread

__all__ = ["PlotManager"]

_ERRORS = ("quad", "sqrt", "poiss-1", "poiss-2", "poiss-3")


class PlotManager(Restricted):
    """`Plot`.

    Attributes
    ----------
    area, background, add, perHz, xLog, yLog, splashPage : bool
        XSPEC's setplot settings.
    redshift : float
        Of the source; energies are multiplied by one plus it.
    """

    _sealed = False

    def __init__(self) -> None:
        self.area = self.background = self.add = False
        self.perHz = True
        self.xLog = self.yLog = True
        self.redshift = 0.0
        self.splashPage = True
        self.id = False
        self.contBackground = True
        self.minSig, self.maxBins, self.errType = 0.0, 1, "quad"
        self._rebin: dict[int, tuple[float, int, str]] = {}
        self._groups: list[list[int]] | None = None
        self._windows: list[Window] = []
        self._device = "/null"
        self._commands: list[str] = []
        self._last = ["data"]  # what Plot() repeats

    # -- settings -------------------------------------------------------------------------------------------------

    @property
    def xAxis(self) -> str:
        """Unit of the abscissa: "channel", an energy or a wavelength."""
        return axes.CURRENT[0].name

    @xAxis.setter
    def xAxis(self, name: str) -> None:
        try:
            axes.CURRENT[0] = axis_of(str(name))
        except ValueError:
            raise XspecError(f"Error: {name!r} is no unit of the x axis") from None

    @property
    def device(self) -> str:
        """Where plots go: "/null", "/xs" and other screens draw nothing; "name.png", "/cps", "name.ps/cps" a file."""
        return self._device

    @device.setter
    def device(self, name: str) -> None:
        self._device = str(name)

    @property
    def units(self) -> str:
        """Unit of the abscissa."""
        return self.xAxis

    @property
    def commands(self) -> tuple[str, ...]:
        """PLT commands added to plots; setting them replaces all."""
        return tuple(self._commands)

    @commands.setter
    def commands(self, values: Any) -> None:
        self._commands = [values] if isinstance(values, str) else list(values)

    def addCommand(self, text: str) -> None:
        """Add a PLT command."""
        self._commands.append(str(text))

    def delCommand(self, number: int) -> None:
        """Remove a PLT command, from one."""
        del self._commands[int(number) - 1]

    def setRebin(
        self,
        minSig: float | None = None,
        maxBins: int | None = None,
        groupNum: int | None = None,
        errType: str | None = None,
    ) -> None:
        """Join bins until they have `minSig` sigma or `maxBins` are together, in one plot group or (-1) all."""
        if errType is not None and errType not in _ERRORS:
            raise XspecError(f"Error: unknown error type {errType!r}")
        number = getattr(self, "_last_group", -1) if groupNum is None else int(groupNum)
        self._last_group = number
        old = self._rebin.get(number, self._rebin.get(-1, (0.0, 1, "quad")))
        new = (
            old[0] if minSig is None else float(minSig),
            old[1] if maxBins is None else int(maxBins),
            old[2] if errType is None else errType,
        )
        if number < 0:
            self._rebin = {-1: new}
            self.minSig, self.maxBins, self.errType = new
        else:
            self._rebin[number] = new

    def setGroup(self, groupStr: str | None = None) -> None:
        """Plot spectra together: ``"1-3 4-6"``; None takes it back."""
        if groupStr is None:
            self._groups = None
        elif not groupStr.strip():
            SESSION.out("***XSPEC Error: Invalid Range:   attempt to parse empty string")
        else:
            last = max(len(SESSION.spectra), 1)
            self._groups = [number_ranges(part, last) for word in groupStr.split() for part in (word.split(","))]

    def noID(self) -> None:
        """Mark no line energies: none ever are."""

    def setID(self, *args: Any, **kwargs: Any) -> None:
        """Mark line energies."""
        raise missing("Plot.setID", "the engine has no line list")

    def iplot(self, *panes: str) -> None:
        """Interactive plots: there is no PLT; plots as `Plot(...)` does."""
        self(*panes)

    def show(self) -> None:
        """Print the settings."""
        SESSION.out(f"Plot settings:\n   Showing of individual additive components is {'ON' if self.add else 'OFF'}")
        SESSION.out(f"   Effective area normalized plotting is {'ON' if self.area else 'OFF'}")
        SESSION.out(f"   Current plotting axes is {self.xAxis}\n   Device is {self._device}")

    # -- plotting -------------------------------------------------------------------------------------------------

    def _plot_groups(self) -> list[list[int]]:
        loaded = [s.index for s in SESSION.spectra]
        if self._groups is None:
            return [[n] for n in loaded]
        chosen = [[n for n in g if n in loaded] for g in self._groups]
        used = {n for g in chosen for n in g}
        return sorted([g for g in chosen if g] + [[n] for n in loaded if n not in used], key=min)

    def rebin_of(self, group: int) -> tuple[float, int, str]:
        """Rebinning of a plot group."""
        return self._rebin.get(group, self._rebin.get(-1, (0.0, 1, "quad")))

    def __call__(self, *panes: str) -> None:
        """Make a plot with one pane per argument, ``Plot("ldata", "ratio")``, or word; without any, the last again."""
        if tuple(p.strip() for p in panes) == ("?",):
            self._list()
            return
        words = split_panes(tuple(p for p in panes if p)) or self._last
        with single_thread():
            self._windows = [make_window(self, pane) for pane in words]
        self._last = words
        from wolter.compat.xspec import figures

        figures.draw(self._windows, self._device)
        for command in self._commands:
            figures.execute(command, self._windows)

    @staticmethod
    def _list() -> None:
        """What can be plotted, as XSPEC answers a question mark."""
        names = plot_names()
        SESSION.out("Choose from the following sub-commands:")
        for start in range(0, len(names), 6):
            SESSION.out("".join(f"{n:<13}" for n in names[start : start + 6]).rstrip())

    def _curve(self, plotGroup: int, plotWindow: int) -> Curve:
        if not self._windows:
            self()
        if not 1 <= plotWindow <= len(self._windows):
            raise XspecError("Error: Requested plot window is out-of-bounds.")
        curves = self._windows[plotWindow - 1].curves
        if not 1 <= plotGroup <= len(curves):
            raise XspecError("***XSPEC Error: Requested plot group index is out-of-bounds.")
        return curves[plotGroup - 1]

    def _column(self, name: str, plotGroup: int, plotWindow: int) -> list[Any]:
        curve = self._curve(plotGroup, plotWindow)
        value = getattr(curve, name)
        if value is None and name == "model" and plotWindow > 1:  # panes below the first share its model
            value = self._curve(plotGroup, 1).model
            value = value if value is not None and len(value) == len(curve.x) else None
        if value is None:
            raise XspecError("***XSPEC Error: Requested array does not exist for this plot.")
        return value.tolist()

    def x(self, plotGroup: int = 1, plotWindow: int = 1) -> list[float]:
        """Abscissa."""
        return self._column("x", plotGroup, plotWindow)

    def xErr(self, plotGroup: int = 1, plotWindow: int = 1) -> list[float]:
        """Half-widths of the bins."""
        return self._column("xerr", plotGroup, plotWindow)

    def y(self, plotGroup: int = 1, plotWindow: int = 1) -> list[float]:
        """Data."""
        return self._column("y", plotGroup, plotWindow)

    def yErr(self, plotGroup: int = 1, plotWindow: int = 1) -> list[float]:
        """Errors of the data."""
        return self._column("yerr", plotGroup, plotWindow)

    def z(self, plotGroup: int = 1, plotWindow: int = 1) -> list[list[float]]:
        """Statistic of a contour plot: a row for each y, a column for each x."""
        return self._column("z", plotGroup, plotWindow)

    def model(self, plotGroup: int = 1, plotWindow: int = 1) -> list[float]:
        """Model."""
        return self._column("model", plotGroup, plotWindow)

    def backgroundVals(self, plotGroup: int = 1, plotWindow: int = 1) -> list[float]:
        """Background, if `background` is on."""
        return self._column("background", plotGroup, plotWindow)

    def contourLevels(self, plotWindow: int = 1) -> list[float]:
        """Levels of a contour plot as absolute statistics."""
        self._curve(1, plotWindow)
        levels = self._windows[plotWindow - 1].levels
        if levels is None:
            raise XspecError("***XSPEC Error: The plot has no contours.")
        return list(levels)

    def labels(self, plotWindow: int = 1) -> tuple[str, str, str]:
        """Labels of x and y axis, and title."""
        self._curve(1, plotWindow)
        return self._windows[plotWindow - 1].labels

    def nAddComps(self, plotGroup: int = 1, plotWindow: int = 1) -> int:
        """Number of additive components that are plotted."""
        return len(self._curve(plotGroup, plotWindow).components)

    def addComp(self, compNum: int, plotGroup: int = 1, plotWindow: int = 1) -> list[float]:
        """Values of an additive component, from one; `add` must have been on."""
        components = self._curve(plotGroup, plotWindow).components
        if not 1 <= int(compNum) <= len(components):
            raise XspecError("***XSPEC Error: Requested additive component is out-of-bounds.")
        return components[int(compNum) - 1].tolist()

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("area", "background", "add", "perHz", "xLog", "yLog", "splashPage"):
            value = bool(value)
        super().__setattr__(name, value)
