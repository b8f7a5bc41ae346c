"""Interfaces of other packages on Wolter's engine: they translate, they compute nothing."""
