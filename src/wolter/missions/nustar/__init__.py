"""NuSTAR: two focal-plane modules of CdZnTe pixel detectors behind a 10 m mast."""

from wolter.missions.nustar.description import MISSION

__all__ = ["MISSION"]
