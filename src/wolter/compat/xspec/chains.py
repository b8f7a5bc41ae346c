"""`AllChains` and `Chain`: Monte Carlo chains."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from wolter.compat.xspec.errors import XspecError, missing, translated
from wolter.compat.xspec.restrict import Restricted
from wolter.compat.xspec.session import SESSION

if TYPE_CHECKING:
    from wolter.fit.xspec_chain import Margin, XspecChain

__all__ = ["Chain", "ChainManager", "interval", "rows_for"]

_SETTINGS = ("algorithm", "burn", "fileType", "length", "proposal", "rand", "rescale", "temperature", "walkers")
_DEFAULTS = ("gw", 0, "fits", 100, "gaussian fit", False, 0.0, 1.0, 10)
_KINDS = {"gw": "gw", "goodmanweare": "gw", "mh": "mh", "metropolishastings": "mh"}


def _algorithm(value: Any) -> str:
    key = str(value).strip().lower()
    if key not in _KINDS:
        raise XspecError(f"Error: chain algorithm must be 'gw' or 'mh', not {value!r}")
    return _KINDS[key]


def _whole(name: str, lowest: int) -> Any:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < lowest:
            raise XspecError(f"Error: chain {name} must be an int of at least {lowest}, not {value!r}")
        return int(value)

    return check


def _temperature(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise XspecError(f"Error: chain temperature must be a number above zero, not {value!r}")
    return float(value)


def _rescale(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise XspecError(f"Error: chain rescale must be a number, not {value!r}")
    return float(value)


def _file_type(value: Any) -> str:
    if str(value).lower() not in ("fits", "ascii"):
        raise XspecError(f"Error: chain fileType must be 'fits' or 'ascii', not {value!r}")
    return str(value).lower()


def _proposal(value: Any) -> str:
    words = str(value).split()
    if len(words) < 2 or words[0].lower() not in ("gaussian", "cauchy"):
        raise XspecError(f"Error: chain proposal must be like 'gaussian fit' or 'cauchy diagonal ...', not {value!r}")
    return str(value)


def _rand(value: Any) -> bool:
    if not isinstance(value, bool):
        raise XspecError(f"Error: chain rand must be True or False, not {value!r}")
    return value


_CHECKS: dict[str, Any] = {
    "algorithm": _algorithm,
    "burn": _whole("burn", 0),
    "fileType": _file_type,
    "length": _whole("length", 1),
    "proposal": _proposal,
    "rand": _rand,
    "rescale": _rescale,
    "temperature": _temperature,
    "walkers": _whole("walkers", 2),
}


def _property(name: str, store: str, doc: str) -> property:
    check = _CHECKS[name]

    def get(self: Any) -> Any:
        return self.__dict__[store]

    def put(self: Any, value: Any) -> None:
        self.__dict__[store] = check(value)

    return property(get, put, doc=doc)


class Chain(Restricted):
    """A chain: it is run, written to its file and loaded into AllChains when it is made.

    Parameters
    ----------
    fileName : str
        Its file.
    fileType : {"fits", "ascii"}, optional
        Form of the file.
    burn, runLength : int, optional
        Rows to leave out at the beginning, and to keep.
    proposal : str, optional
        "gaussian fit", "cauchy fit", "gaussian diagonal v1 v2 ...", "gaussian matrix v11 v21 v22 ...".
    rand : bool, optional
        Whether a Metropolis-Hastings chain starts from a random point.
    temperature : float, optional
        Of Metropolis-Hastings.
    algorithm : {"gw", "mh"}, optional
        Goodman-Weare or Metropolis-Hastings.
    walkers : int, optional
        Of Goodman-Weare.
    rescale : float, optional
        Factor of the covariance of the proposal; zero: one.

    What is left out is as `AllChains` says (defBurn ...).
    """

    algorithm = _property("algorithm", "_algorithm", '"gw" or "mh".')
    burn = _property("burn", "_burn", "Rows that are thrown away.")
    runLength = _property("length", "_length", "Rows of the next run.")
    proposal = _property("proposal", "_proposal", "Distribution of steps or starting points.")
    rand = _property("rand", "_rand", "Whether the start is random.")
    rescale = _property("rescale", "_rescale", "Factor of the proposal's covariance.")
    temperature = _property("temperature", "_temperature", "Of Metropolis-Hastings.")
    walkers = _property("walkers", "_walkers", "Of Goodman-Weare.")

    def __init__(
        self,
        fileName: str,
        fileType: str | None = None,
        burn: int | None = None,
        runLength: int | None = None,
        proposal: str | None = None,
        rand: bool | None = None,
        temperature: float | None = None,
        algorithm: str | None = None,
        walkers: int | None = None,
        rescale: float | None = None,
    ) -> None:
        if not isinstance(fileName, str) or not fileName.split():
            raise XspecError("Error: a chain needs the name of its file")
        given = (algorithm, burn, fileType, runLength, proposal, rand, rescale, temperature, walkers)
        self._prepare(fileName.split()[0], dict(zip(_SETTINGS, given, strict=True)))
        self.run(False)

    def _prepare(self, name: str, given: dict[str, Any]) -> None:
        from wolter.compat.xspec import AllChains

        self._name = name
        self._data: XspecChain | None = None
        for setting in _SETTINGS:
            value = given.get(setting)
            default = getattr(AllChains, f"def{setting[0].upper()}{setting[1:]}")
            self.__dict__[f"_{setting}"] = default if value is None else _CHECKS[setting](value)

    @classmethod
    def _load(cls, name: str) -> Chain:
        from wolter.fit.xspec_chain import read_chain

        self = cls.__new__(cls)
        self._prepare(name, {})
        with translated("chain"):
            self._data = read_chain(name)
        with open(name, "rb") as file:
            self.__dict__["_fileType"] = "fits" if file.read(6) == b"SIMPLE" else "ascii"
        return self

    @property
    def fileName(self) -> str:
        """Its file."""
        return self._name

    @property
    def fileType(self) -> str:
        """ "fits" or "ascii"."""
        return self.__dict__["_fileType"]

    @property
    def totalLength(self) -> int:
        """Rows of the chain."""
        return 0 if self._data is None else len(self._data)

    def run(self, append: bool = True) -> None:
        """Run again: append to the chain, or (False) write it anew."""
        engine = SESSION.engine()
        with translated("chain"):
            new = self._sample(engine, append and self._data is not None)
            if append and self._data is not None:
                from wolter.fit.xspec_chain import XspecChain

                new = XspecChain.join([self._data, new])
            new.write(os.path.abspath(self._name), form=self.fileType, overwrite=True)
        self._data = new
        if self not in SESSION.chains:
            SESSION.chains[:] = [c for c in SESSION.chains if c.fileName != self._name]
            SESSION.chains.append(self)
        SESSION.out(f"  New chain {self._name} is now loaded.")

    def _sample(self, engine: Any, append: bool) -> XspecChain:
        from wolter.fit.xspec_chain import goodman_weare, metropolis

        root, cauchy = self._root(engine)
        burn = 0 if append else self.burn
        SESSION.draws += 1
        seed = None if SESSION.seed is None else SESSION.seed + SESSION.draws
        if (self._data.algorithm if append and self._data else self.algorithm) == "gw":
            walkers, start = self.walkers, None
            if append and self._data is not None:
                walkers = self._data.walkers
                start = self._data.values[-walkers:]
            return goodman_weare(
                engine, self.runLength, walkers=walkers, burn=burn, root=root, cauchy=cauchy, start=start, seed=seed
            )
        start = self._data.values[-1] if append and self._data is not None else None
        return metropolis(
            engine,
            self.runLength,
            burn=burn,
            root=root,
            cauchy=cauchy,
            temperature=self.temperature,
            spread=self.rand,
            start=start,
            seed=seed,
        )

    def _root(self, engine: Any) -> tuple[Any, bool]:
        from wolter.fit.xspec_chain import proposal_root

        kind, source, *rest = self.proposal.split()
        cauchy = kind.lower() == "cauchy"
        if source == "chain":
            data = joined()
            values = np.cov(data.values.T).reshape(len(data.numbers), -1)
            elements = values[np.tril_indices(len(values))].tolist()
            return proposal_root(engine, "matrix", elements, self.rescale or 1.0), cauchy
        if source not in ("fit", "diagonal", "matrix"):
            if not os.path.isfile(source):
                raise missing(f"Chain.proposal = {self.proposal!r}", "user-defined proposals; use 'gaussian fit'")
            numbers = np.loadtxt(source, ndmin=2)
            source, rest = "matrix", [str(v) for v in numbers[np.tril_indices(len(numbers))]]
        try:
            elements = [float(v) for v in " ".join(rest).replace(",", " ").split()]
        except ValueError:
            raise XspecError(f"Error: cannot read the numbers of proposal {self.proposal!r}") from None
        return proposal_root(engine, source, elements, self.rescale or 1.0), cauchy

    def show(self) -> None:
        """Print its settings."""
        out = SESSION.out
        out(f"\n  Chain file: {self.fileName}   ({self.fileType})\n  Total length: {self.totalLength}")
        for label, value in (
            ("Algorithm", self.algorithm),
            ("Burn", self.burn),
            ("Run length", self.runLength),
            ("Walkers", self.walkers),
            ("Proposal", self.proposal),
            ("Randomization", "on" if self.rand else "off"),
            ("Temperature", self.temperature),
        ):
            out(f"  {label}: {value}")

    def __repr__(self) -> str:
        return f"<Chain {self._name}, {self.totalLength} rows>"


def joined() -> XspecChain:
    """All loaded chains as one."""
    from wolter.fit.xspec_chain import XspecChain

    loaded = [c._data for c in SESSION.chains if c._data is not None]
    if not loaded:
        raise XspecError("Error: no chains are loaded; make one with Chain(fileName) or AllChains += fileName")
    with translated("chain"):
        return XspecChain.join(loaded)


def rows_for(engine: Any) -> XspecChain | None:
    """The loaded chains, if they are of the present free parameters."""
    if not SESSION.chains:
        return None
    data = joined()
    return data if data.numbers == tuple((engine.table.free.positions + 1).tolist()) else None


def interval(data: XspecChain, number: int, delta: float) -> tuple[float, float]:
    """Central interval that belongs to a rise of the statistic."""
    from wolter.fit.numerics import chi2_sf

    return data.interval(number, 1.0 - chi2_sf(delta, 1))


class ChainManager(Restricted):
    """`AllChains`: settings for new chains, and the chains that are loaded.

    Attributes
    ----------
    defAlgorithm, defBurn, defFileType, defLength, defProposal, defRand, defRescale, defTemperature, defWalkers
        What new chains have where nothing else is said.
    """

    def __init__(self) -> None:
        for name, value in zip(_SETTINGS, _DEFAULTS, strict=True):
            self.__dict__[f"_{name}"] = value
        self._margin: Margin | None = None

    defAlgorithm = _property("algorithm", "_algorithm", '"gw" or "mh".')
    defBurn = _property("burn", "_burn", "Rows that are thrown away.")
    defFileType = _property("fileType", "_fileType", '"fits" or "ascii".')
    defLength = _property("length", "_length", "Rows of a run.")
    defProposal = _property("proposal", "_proposal", "Distribution of steps or starting points.")
    defRand = _property("rand", "_rand", "Whether the start is random.")
    defRescale = _property("rescale", "_rescale", "Factor of the proposal's covariance.")
    defTemperature = _property("temperature", "_temperature", "Of Metropolis-Hastings.")
    defWalkers = _property("walkers", "_walkers", "Of Goodman-Weare.")

    def __call__(self, index: int) -> Chain:
        """Chain by number, from one."""
        if isinstance(index, bool) or not isinstance(index, int) or index < 1:
            raise XspecError("Error: Argument must be an integer > 0")
        if index > len(SESSION.chains):
            raise XspecError(f"Error: Chain index {index} is out of range: {len(SESSION.chains)} are loaded")
        return SESSION.chains[index - 1]

    def __iadd__(self, what: Any) -> ChainManager:
        """Load a chain (an object, or its file); the name of a file that does not exist runs a new one."""
        if isinstance(what, Chain):
            if what not in SESSION.chains:
                SESSION.chains.append(what)
        elif isinstance(what, str):
            if os.path.isfile(what):
                SESSION.chains.append(Chain._load(what))
            else:
                Chain(what)
        else:
            raise XspecError("Error: Invalid type for += operator")
        return self

    def __isub__(self, what: Any) -> ChainManager:
        """Unload a chain: object, file name, number, or "*" for all."""
        if isinstance(what, str) and what.startswith("*"):
            self.clear()
        elif isinstance(what, Chain | str):
            name = what.fileName if isinstance(what, Chain) else what
            if not any(c.fileName == name for c in SESSION.chains):
                SESSION.out(f"***Error: Chain with fileName: {name} is not currently loaded.")
            SESSION.chains[:] = [c for c in SESSION.chains if c.fileName != name]
        elif isinstance(what, int):
            self(what)
            del SESSION.chains[what - 1]
        else:
            raise XspecError("Error: Invalid type for -= operator")
        return self

    def __len__(self) -> int:
        return len(SESSION.chains)

    def __iter__(self) -> Any:
        return iter(list(SESSION.chains))

    def clear(self) -> None:
        """Unload all chains; their files stay."""
        SESSION.chains.clear()

    def show(self) -> None:
        """Print settings and chains."""
        out = SESSION.out
        out("\nDefault settings for new chains:")
        for name in _SETTINGS:
            out(f"   def{name[0].upper()}{name[1:]:<12}: {self.__dict__[f'_{name}']}")
        if not SESSION.chains:
            out("No chains are loaded.")
        for number, chain in enumerate(SESSION.chains, 1):
            out(f"   {number}  {chain.fileName}  length {chain.totalLength}")

    def _number(self, parameter: Any) -> int:
        text = str(parameter).strip().split(":")[-1].lstrip("pP")
        if isinstance(parameter, float) or not text.isdigit():
            raise XspecError(f"Error: {parameter!r} is no parameter of a chain")
        return int(text)

    def best(self) -> list[float]:
        """The row of the lowest statistic: the parameters, then the statistic."""
        data = joined()
        row = data.values[data.best].tolist()
        out = SESSION.out
        out("\nParameter values and statistic of the best chain point:")
        for number, name, value in zip(data.numbers, data.names, row, strict=True):
            out(f"{number:6d}  {name:<12} {value:.6g}")
        out(f"   Statistic {data.statistic[data.best]:.6g}")
        return [*row, float(data.statistic[data.best])]

    def dic(self) -> tuple[float, float]:
        """Deviance information criterion and effective number of parameters."""
        from wolter.fit.xspec_chain import deviance_information

        engine = SESSION.engine()
        data = rows_for(engine)
        if data is None:
            joined()
            raise XspecError("Error: the loaded chains belong to other parameters than the present model's")
        criterion, effective = deviance_information(engine, data)
        SESSION.out(
            f" Deviance Information Criterion = {criterion:.6g}, effective number of parameters {effective:.6g}"
        )
        return criterion, effective

    def stat(self, parIdx: int | str) -> tuple[float, float, float, float]:
        """Print mean, variance and convergence of a parameter over the loaded chains; they are returned, too."""
        from wolter.fit.xspec_chain import convergence

        number = self._number(parIdx)
        joined()
        with translated("chain stat"):
            columns = [c._data.column(number) for c in SESSION.chains if c._data is not None]
        mean, variance, within, ratio = convergence(columns)
        out = SESSION.out
        out("\n  Chain file means:  " + "  ".join(f"{np.mean(c):.6g}" for c in columns))
        out(f"  Mean over all chains {mean:.6g}, variance {variance:.6g}, variance within chains {within:.6g}")
        out(f"  Rubin-Gelman convergence measure : {ratio:.6g}")
        repeats = np.mean([c._data.repeats for c in SESSION.chains if c._data is not None])
        out(f"  Fraction of repeated values : {repeats:.4g}")
        return mean, variance, within, ratio

    def margin(self, argString: str) -> None:
        """Distribution of parameters: ``"[log|nolog] par lo hi bins ..."``, over all loaded chains."""
        from wolter.compat.xspec.commands import StepCommand
        from wolter.fit.xspec_chain import margin

        entry = SESSION.entry
        if entry is None:
            raise XspecError("Error: no models are in use")
        axes = []
        for number, (lo, hi, points, *log) in StepCommand.read(argString, entry).axes.items():
            axes.append((number, np.geomspace(lo, hi, points) if log else np.linspace(lo, hi, points)))
        with translated("margin"):
            self._margin = margin(joined(), axes)
        self._say_margin(self._margin)

    @staticmethod
    def _say_margin(result: Margin) -> None:
        out = SESSION.out
        out("\n Probability     Fraction   " + "".join(f"{n:>14}" for n in result.numbers))
        if out.heard():
            mesh = [m.ravel(order="F") for m in np.meshgrid(*result.axes, indexing="ij")]
            density, share = result.probability.ravel(order="F"), result.fraction.ravel(order="F")
            for k in range(len(share)):
                out(f" {density[k]:12.6g} {share[k]:12.6g}" + "".join(f" {m[k]:13.6g}" for m in mesh))

    def marginResults(self, arg: Any) -> list[float]:
        """Of the last margin: "probability" (density), "fraction", or values of a parameter; the first runs fastest."""
        result = self._margin
        if result is None:
            raise XspecError("Error: margin has not been run")
        if arg in ("probability", "fraction"):
            return getattr(result, arg).ravel(order="F").tolist()
        number = self._number(arg)
        if number not in result.numbers:
            raise XspecError(f"Error: parameter {arg} is not in the last margin")
        mesh = np.meshgrid(*result.axes, indexing="ij")
        return mesh[result.numbers.index(number)].ravel(order="F").tolist()
