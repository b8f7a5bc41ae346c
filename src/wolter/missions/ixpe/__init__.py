"""IXPE, the Imaging X-ray Polarimetry Explorer: three gas-pixel detectors behind three mirror modules."""

from wolter.missions.ixpe.description import MISSION

__all__ = ["MISSION"]
