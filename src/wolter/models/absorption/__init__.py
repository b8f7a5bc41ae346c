"""Abundances, photoelectric cross-sections, and the absorption components made of them.

- `abundances`: tables of element abundances by XSPEC's names, and tables of one's own.
- `verner`, `balucinska`, `gas`, `morrison`: cross-sections of atoms and molecules from the literature.
- `interstellar`: the interstellar medium of Wilms, Allen & McCray (2000): gas, molecules and grains.
- `slabs`: cross-sections of a slab of neutral gas averaged over the bins of a grid, remembered per grid.
- `components`: phabs, TBabs, wabs and their relatives.

The coefficient tables are in ``data/``, each with its source in the first lines.
"""
