"""Concrete missions, one folder each, registered under the entry-point group ``wolter.missions``."""
