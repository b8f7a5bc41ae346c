"""Views of photometric products as XGA draws them: pixels without ticks, cross-hairs, masks, zoom, regions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["coordinate_systems", "draw", "pixel_regions", "save", "show"]

NAMES = {"xmm": "XMM"}


def coordinate_systems(header: Any) -> dict[str, Any]:
    """astropy WCS objects of a header, sorted by what their axes are: radec, skyxy, detxy."""
    import warnings

    from astropy.wcs import WCS, FITSFixedWarning

    letters = sorted({key[6:] for key in header if key.startswith("CTYPE1")})
    out: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        for letter in letters:
            axis = str(header.get(f"CTYPE1{letter}", "")).strip().upper()
            wcs = WCS(header, key=letter or " ", naxis=2)
            kind = "radec" if axis.startswith("RA") else {"X": "skyxy", "DETX": "detxy"}.get(axis)
            if kind is not None:
                out.setdefault(kind, wcs)
    return out


def pixel_regions(new: Any, product: Any) -> dict[str, list[Any]]:
    """Regions of a file, a list or a dict by ObsID, as regions of pixels."""
    from regions import PixelRegion

    if isinstance(new, (str, Path)):
        from wolter.sky import read_regions

        new = list(read_regions(new).to_regions())
    by_obsid = new if isinstance(new, dict) else {product.obs_id: list(new)}
    missing = [o for o in product.obs_ids if o not in by_obsid]
    if missing:
        raise KeyError(f"The passed region dictionary has no entry for {', '.join(missing)}.")
    wcs = product.radec_wcs
    return {o: [r if isinstance(r, PixelRegion) else r.to_pixel(wcs) for r in rs] for o, rs in by_obsid.items()}


def _title(product: Any) -> str:
    who = "Combined" if product.obs_id == "combined" else f"{product.obs_id} {str(product.instrument).upper()}"
    if product.telescope is not None:
        who = f"{NAMES.get(product.telescope, product.telescope)} {who}"
    ends = [("??" if e is None else str(e.to_value("keV"))) for e in product.energy_bounds]
    text = f"{who} {ends[0]}-{ends[1]}keV {product.type}"
    return text if product.src_name is None else f"{product.src_name} - {text}"


def draw(
    product: Any, ax: Any, cross_hair: Any = None, mask: Any = None, chosen_points: Any = None,
    other_points: Any = None,
    zoom_in: bool = False, manual_zoom_xlims: Any = None, manual_zoom_ylims: Any = None, radial_bins_pix: Any = (),
    back_bin_pix: Any = None, stretch: Any = None, mask_edges: bool = True, view_regions: bool = False,
    ch_thickness: float = 0.8, low_val_lim: float | None = None, upp_val_lim: float | None = None,
    custom_title: str | None = None, color_map: str = "gnuplot2",
) -> Any:  # fmt: skip
    """Draw a product on matplotlib axes, with XGA's options and defaults.

    Parameters
    ----------
    product : Image
    ax : matplotlib axes
    cross_hair : Quantity, optional
        One position or two.
    mask : array, optional
    chosen_points, other_points : optional
        Pixels of groups found by a peak finder.
    zoom_in : bool
        Leave out borders without data; with limits, show what lies within them.
    manual_zoom_xlims, manual_zoom_ylims : pair, optional
    radial_bins_pix, back_bin_pix : optional
        Radii (pixels) of circles around the cross-hair; of the background dashed.
    stretch : astropy stretch, optional
        Logarithmic by default.
    mask_edges : bool
        Leave the outermost exposed pixels of rate maps out.
    view_regions : bool
    """
    from astropy.visualization import ImageNormalize, LogStretch, ManualInterval

    data = product._plotted(mask_edges)
    if mask is not None:
        if np.shape(mask) != data.shape:
            raise ValueError(f"The shape of the mask array ({np.shape(mask)}) must be that of the data ({data.shape}).")
        data = data * mask
    if low_val_lim is not None and upp_val_lim is not None and low_val_lim >= upp_val_lim:
        raise ValueError("'low_val_lim' must be smaller than 'upp_val_lim'.")
    ax.tick_params(axis="both", direction="in", which="both", top=False, right=False)
    ax.xaxis.set_ticklabels([])
    ax.yaxis.set_ticklabels([])
    ax.set_title(_title(product) if custom_title is None else custom_title)
    norm = ImageNormalize(
        data=data,
        interval=ManualInterval(low_val_lim, upp_val_lim),
        stretch=LogStretch() if stretch is None else stretch,
    )
    ax.imshow(data, norm=norm, origin="lower", cmap=color_map)
    for points, style in ((chosen_points, "+"), *((points, "D") for points in (other_points or []))):
        if points is not None:
            ax.plot(points[:, 0], points[:, 1], style)
    if cross_hair is not None:
        _cross(product, ax, cross_hair, ch_thickness, radial_bins_pix, back_bin_pix)
    if view_regions:
        for region in (r for group in product.regions.values() for r in group):
            ax.add_artist(region.as_artist(linewidth=1.4))
    _limits(ax, data, zoom_in, manual_zoom_xlims, manual_zoom_ylims)
    return ax


def _cross(product: Any, ax: Any, cross_hair: Any, width: float, radii: Any, background: Any) -> None:
    from matplotlib.patches import Circle

    pixels = np.atleast_2d(product.coord_conv(cross_hair, "pix").value)
    for (x, y), style in zip(pixels[:2], ("solid", "dashed"), strict=False):
        ax.axvline(x, color="white", linewidth=width, linestyle=style)
        ax.axhline(y, color="white", linewidth=width, linestyle=style)
    for group, style in ((radii, "solid"), (background if background is not None else (), "dashed")):
        for radius in group:
            edge = float(getattr(radius, "value", radius))
            ax.add_artist(Circle(tuple(pixels[0]), edge, fill=False, ec="white", linewidth=1.5, linestyle=style))


def _limits(ax: Any, data: np.ndarray, zoom_in: bool, xlims: Any, ylims: Any) -> None:
    from wolter.compat.xga.imagetools.misc import data_limits

    if not zoom_in:
        return
    if xlims is None and ylims is None:
        xlims, ylims = data_limits(data)
    if xlims is not None:
        ax.set_xlim([float(getattr(v, "value", v)) for v in xlims])
    if ylims is not None:
        ax.set_ylim([float(getattr(v, "value", v)) for v in ylims])


def _figure(product: Any, figsize: tuple, args: tuple, options: dict) -> Any:
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=figsize)
    axes = draw(product, figure.gca(), *args, **options)
    bar = figure.colorbar(axes.images[0])
    bar.ax.set_ylabel(product.data_unit.to_string("latex"), fontsize=15)
    figure.tight_layout()
    return figure


def show(product: Any, *args: Any, figsize: tuple = (10, 8), **options: Any) -> None:
    """Show a view through pyplot, and close it."""
    import matplotlib.pyplot as plt

    figure = _figure(product, figsize, args, options)
    plt.show()
    plt.close(figure)


def save(product: Any, path: Any, *args: Any, figsize: tuple = (10, 8), **options: Any) -> None:
    """Write a view to a file."""
    import matplotlib.pyplot as plt

    from wolter import fits

    figure = _figure(product, figsize, args, options)
    try:
        with fits.atomic_path(path, overwrite=True) as temporary:
            figure.savefig(temporary)
    finally:
        plt.close(figure)
