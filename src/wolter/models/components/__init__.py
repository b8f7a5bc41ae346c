"""Native spectral components; each module is loaded by the registry when one of its components is asked for."""
