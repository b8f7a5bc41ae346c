"""Cells of published tutorials that are broken as written, each with its smallest repair.

A cell is here only if the original software fails on it too. Repaired cells are counted apart.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["REPAIRS", "Repair", "repair"]


@dataclass(frozen=True)
class Repair:
    """One repair.

    Attributes
    ----------
    tutorial : str
        Where the cell is.
    pattern : str
        Text that identifies it, exactly as written.
    replacement : str
        What stands there instead.
    reason : str
        Why the cell cannot run as written.
    """

    tutorial: str
    pattern: str
    replacement: str
    reason: str


REPAIRS = (
    Repair(
        "Getting started with Swift-XRT",
        """        gen_cmd="",
        lo_en=Quantity(0.5, "keV"),
        hi_en=Quantity(10, "keV"),
    )
    for oi, cur_path in rel_obsids
}""",
        """        gen_cmd="",
        lo_en=Quantity(0.5, "keV"),
        hi_en=Quantity(10, "keV"),
    )
    for oi in rel_obsids
}""",
        "the loop unpacks each ObsID, a string of eleven characters, into two names",
    ),
    Repair(
        "Getting started with Swift-XRT",
        """    if ax_ind >= num_ims:
        ax.set_visible(False)
        continue

    cur_obsid = rel_obsids[ax_ind]""",
        """    if ax_ind >= num_sps:
        ax.set_visible(False)
        continue

    cur_obsid = rel_obsids[ax_ind]""",
        "empty panes of the figure of spectra are told by the number of images, which is another",
    ),
    Repair(
        "Getting started with XRISM-Xtend",
        "    arg_combs = [[oi, os.path.join(OUT_PATH, oi), src_coord] for oi in rel_obsids]\n"
        "    pipe_result = p.starmap(process_xrism_xtend, arg_combs)",
        "    arg_combs = [[oi, os.path.join(OUT_PATH, oi)] for oi in rel_obsids]\n"
        "    pipe_result = p.starmap(process_xrism_xtend, arg_combs)",
        "process_xrism_xtend takes two arguments and is called with three",
    ),
    Repair(
        "Getting started with XRISM-Xtend",
        """                outdir=out_dir,
                instrument="XTEND",
            )""",
        """                outdir=out_dir,
                steminputs=f"xa{cur_obs_id}",
                instrument="XTEND",
            )""",
        "xtdpipeline is called without its required parameter steminputs",
    ),
)


def repair(source: str) -> tuple[str, str | None]:
    """Source of a cell with its repair applied.

    Parameters
    ----------
    source : str
        The cell as written.

    Returns
    -------
    source : str
        The same if it needs none.
    reason : str or None
        What was wrong.
    """
    reasons = []
    for known in REPAIRS:
        if known.pattern in source:
            source = source.replace(known.pattern, known.replacement)
            reasons.append(known.reason)
    return source, "; ".join(reasons) or None
