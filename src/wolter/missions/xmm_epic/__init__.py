"""XMM-Newton's EPIC cameras: pn, MOS1 and MOS2."""

from wolter.missions.xmm_epic.description import MISSION

__all__ = ["MISSION"]
