"""XRISM: the CCD camera Xtend, and Resolve as far as its event files, spectra and light curves."""

from wolter.missions.xrism_xtend.description import MISSION

__all__ = ["MISSION"]
