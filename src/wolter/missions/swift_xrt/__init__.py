"""Swift's X-Ray Telescope: one CCD camera, photon-counting and windowed-timing modes."""

from wolter.missions.swift_xrt.description import MISSION

__all__ = ["MISSION"]
