"""`AllChains` and `Chain`: Monte Carlo chains."""

from __future__ import annotations

from typing import Any

from wolter.compat.xspec.errors import missing

__all__ = ["Chain", "ChainManager"]

_REASON = "the engine has no Monte Carlo chains"
_DEFAULTS: dict[str, Any] = {
    "defAlgorithm": "gw",
    "defBurn": 0,
    "defFileType": "fits",
    "defLength": 100,
    "defProposal": "gaussian fit",
    "defRand": False,
    "defRescale": 1.0,
    "defTemperature": 1.0,
    "defWalkers": 10,
}


class Chain:
    """A chain; making one raises NotImplementedError."""

    def __init__(self, fileName: str, **options: Any) -> None:
        raise missing("Chain", _REASON)


class ChainManager:
    """`AllChains`: settings for new chains, and the chains (there are none)."""

    def __init__(self) -> None:
        self.__dict__.update(_DEFAULTS)

    def __call__(self, index: int) -> Chain:
        """Chain by number."""
        raise missing("AllChains()", _REASON)

    def __iadd__(self, what: Any) -> ChainManager:
        """Load a chain."""
        raise missing("AllChains +=", _REASON)

    def __isub__(self, what: Any) -> ChainManager:
        """Unload a chain."""
        raise missing("AllChains -=", _REASON)

    def clear(self) -> None:
        """Unload all chains: there are none."""

    def show(self) -> None:
        """Print the settings."""
        from wolter.compat.xspec.session import SESSION

        SESSION.out("No chains are loaded.")

    def best(self) -> Any:
        """Best point of the loaded chains."""
        raise missing("AllChains.best", _REASON)

    def dic(self) -> Any:
        """Deviance information criterion."""
        raise missing("AllChains.dic", _REASON)

    def margin(self, argString: str) -> Any:
        """Marginal probability."""
        raise missing("AllChains.margin", _REASON)

    def marginResults(self, arg: Any) -> Any:
        """Results of margin."""
        raise missing("AllChains.marginResults", _REASON)

    def stat(self, parIdx: int) -> Any:
        """Statistics of a parameter."""
        raise missing("AllChains.stat", _REASON)
