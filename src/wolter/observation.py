"""An observation: the files of one ObsID by role, and the verbs that make its products."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from copy import copy
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wolter import fits
from wolter._progress import each
from wolter.data.event_files import chosen_event_files, latest_event_files
from wolter.data.observation_files import about_file, candidates, file_listing, first_headers
from wolter.errors import MissionError, ParameterError, ResponseError, suggest
from wolter.makers.jobs import make_images, make_light_curve, make_spectra
from wolter.mission import FileRole, Mission, mission_of

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from wolter.caldb import Caldb
    from wolter.data import EventList, ExposureMap, Image, ImageGrid, LightCurve, Spectrum, SpectrumSet
    from wolter.data._tables import Listing
    from wolter.makers import PolarisationCube
    from wolter.sky import RegionSet

__all__ = ["Observation"]


class Observation:
    """The files of one observation, sorted by what their headers say.

    Parameters
    ----------
    path : path-like or sequence of path-like
        Folder of the observation, searched with all its subfolders; or one or several of its files, where an event
        file may be followed by an extension and a row filter: ``evt.fits[EVENTS][PI >= 50]``. Files on servers
        (``https://``, ``s3://``) are read there; of an observation's folder there, name the files, or fetch it.
    mission : Mission, optional
        Overrules the mission found in the headers.
    mode : str, optional
        Mode of the event lists to analyse; by default the highest-ranking of each detector. See `modes`.

    Attributes
    ----------
    path : Path
    mission : Mission
        By TELESCOP of the files.
    obsid : str
        By OBS_ID of the files, else the folder's name.
    files : tuple of FileRole
        Files with a known role.

    Raises
    ------
    MissionError
        If the folder is missing, or holds no file of any mission.
    FitsError
        If a file that looks like FITS cannot be read.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        mission: Mission | None = None,
        mode: str | None = None,
    ) -> None:
        self.mode = mode
        self._given_mission = mission
        given = [path] if isinstance(path, (str, os.PathLike)) else list(path)
        names = [fits.parse_name(p) for p in given]
        self._names = {name.path: os.fspath(p) for name, p in zip(names, given, strict=True)}
        paths = [name.path for name in names]
        if not paths:
            raise MissionError("no file or folder is given")
        remote = {name.path: name.url for name in names if name.url}
        for one in paths:
            if one not in remote and not one.exists():
                raise MissionError("no such file or folder", file=one)
        self.path = paths[0] if len(paths) == 1 else Path(os.path.commonpath([p.absolute() for p in paths]))
        files = [file for one in paths for file in ([one] if one in remote else candidates(one))]
        headers = {file: first_headers(remote.get(file) or file) for file in files}
        if mission is None:
            found = {m.name: m for h in headers.values() if (m := mission_of(h)).telescop}
            if len(found) > 1:
                raise MissionError(
                    f"the folder mixes files of {' and '.join(m.title for m in found.values())}",
                    file=self.path,
                    cure="Name the folder of one observation, or say which mission is meant with mission=.",
                )
            mission = next(iter(found.values())) if found else mission_of({})
        self.mission = mission
        roles = ((file, mission.classify(file, h)) for file, h in headers.items())
        self.files: tuple[FileRole, ...] = tuple(role for _, role in roles if role is not None)
        if not self.files:
            raise MissionError(
                f"none of {len(headers)} FITS files has a role in an observation",
                file=self.path,
                cure="Name the observation's folder, the one that holds its event files.",
            )
        self._headers = {file.path: headers[file.path] for file in self.files}
        self.obsid = self._obsid(list(self._headers.values()))

    def __repr__(self) -> str:
        kinds: dict[str, int] = {}
        for file in self.files:
            kinds[file.role] = kinds.get(file.role, 0) + 1
        held = ", ".join(f"{n} {role}" for role, n in sorted(kinds.items()))
        return f"<Observation {self.obsid} of {self.mission.title}: {held}>"

    def __str__(self) -> str:
        return self._listing().text()

    def _repr_html_(self) -> str:
        return self._listing().html()

    def _listing(self) -> Listing:
        """The files as a table; a star marks the event lists that products are made from."""
        try:
            used = {file.path: name for name, file in self.event_files.items()}
        except MissionError:  # none, or a choice that is left to the user
            used = {}
        about = [about_file(file, self.headers(file.path)) for file in self.files]
        return file_listing(about, self.path, used, title=f"Observation {self.obsid} of {self.mission.title}")

    def _obsid(self, headers: list[list[fits.Header]]) -> str:
        ids = {str(h.get("OBS_ID", "")).strip() for group in headers for h in group} - {""}
        if len(ids) > 1:
            raise MissionError(
                f"the folder holds several observations: {', '.join(sorted(ids))}",
                file=self.path,
                cure="Name the folder of one of them.",
            )
        return ids.pop() if ids else (self.path if self.path.is_dir() else self.path.parent).resolve().name

    @cached_property
    def event_files(self) -> Mapping[str, FileRole]:
        """The event files that `events` reads: the screened ones of each detector's usual mode.

        A detector with several files of equal standing (exposures, halves of the field) has one entry each, named
        ``detector:mode``.

        Raises
        ------
        MissionError
            If there is none, or two of equal standing for one detector and mode.
        """
        return chosen_event_files(self.files, self.mission.detectors, mode=self.mode, folder=self.path)

    @cached_property
    def events(self) -> Mapping[str, EventList]:
        """Event lists of the highest level, by detector in the mission's order; see `event_files`.

        Raises
        ------
        MissionError
            If there is none, or two of equal standing for one detector.
        """
        from wolter.data import EventList

        return {
            name: EventList.read(self._names.get(file.path, file.path), mission=self._given_mission)
            for name, file in self.event_files.items()
        }

    @property
    def modes(self) -> dict[str, tuple[str, ...]]:
        """Modes of each detector's event files, the one that `events` takes first."""
        found: dict[str, list[FileRole]] = {}
        for file in latest_event_files(self.files, folder=self.path):
            found.setdefault(file.detector or "events", []).append(file)
        return {
            name: tuple(f.mode or "" for f in sorted(files, key=lambda f: (f.level or "", f.rank), reverse=True))
            for name, files in found.items()
        }

    def in_mode(self, mode: str) -> Observation:
        """The same observation with the event lists of another mode.

        Parameters
        ----------
        mode : str
            One of `modes`, in any case.

        Raises
        ------
        MissionError
            If no event file has this mode.
        """
        other = copy(self)
        for name in ("events", "event_files"):
            other.__dict__.pop(name, None)
        other.mode = mode
        _ = other.event_files
        return other

    def headers(self, path: Path) -> list[fits.Header]:
        """Headers of the first HDUs of one of the files (all up to the events)."""
        return self._headers[path]

    def product_stem(self, detector: str) -> str:
        """Start of the names of a detector's products, ``<mission>_det<n>``, as the mission's tutorial has it."""
        known = list(self.events)
        number = known.index(detector) + 1 if detector in known else detector.lower()
        return f"{self.mission.name}_det{number}"

    def _chosen(self, detectors: Sequence[str] | None) -> dict[str, EventList]:
        events = dict(self.events)
        if detectors is None:
            return events
        for name in detectors:
            if name not in events:
                raise MissionError(
                    f"the observation has no detector {name!r} (it has {', '.join(events)})",
                    file=self.path,
                    cure=suggest(name, events) or None,
                )
        return {name: events[name] for name in detectors}

    def spectra(
        self,
        source: RegionSet | None = None,
        background: RegionSet | None = None,
        *,
        stokes: str | None = None,
        responses: str | os.PathLike[str] | Mapping[str, Mapping[str, Any]] | Caldb | None = None,
        detectors: Sequence[str] | None = None,
        output: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
        exposure_maps: Mapping[str, ExposureMap] | None = None,
        wmap: str | bool | None = None,
        executor: Executor | None = None,
        **selection: Any,
    ) -> SpectrumSet:
        """Source (and background) spectra of every detector, with responses attached.

        Parameters
        ----------
        source, background : RegionSet, optional
            Where the events are taken from; without a source region the whole field.
        stokes : str, optional
            Weighting of polarimetric spectra ("neff", "simple", "unweighted" where the mission knows them): I, Q and U
            are made. Without it one spectrum of counts per detector.
        responses : path-like, mapping or Caldb, optional
            Folder to search for responses (by header), or ``{detector: {"rmf": path, "arf": path, "mrf": path}}``, or
            "caldb" (a `wolter.caldb.Caldb`) for the calibration database; "caldb:<file>" writes down in a lock file
            which responses were used, and uses those that it names.
            Without it the spectra carry no response.
        detectors : sequence of str, optional
            Only these detectors.
        output : path-like, optional
            Folder in which the spectra are written, with BACKFILE, RESPFILE and ANCRFILE set; made if there is none.
        overwrite : bool
            Whether existing files may be replaced.
        exposure_maps : mapping of str to ExposureMap, optional
            Maps by detector, for BACKSCAL weighted with exposure; see `wolter.makers.spectrum.backscal`.
        wmap : str or bool, optional
            Weighted maps of the spectra, see `wolter.makers.extract_spectrum`.
        executor : concurrent.futures.Executor, optional
            Runs the detectors in parallel.
        **selection
            Further selections (``gti=``, ``time=``, ``expression=``), as for `EventList.select`.

        Returns
        -------
        SpectrumSet
            One data group per detector; I, Q, U in this order within it.
        """
        from wolter.data import SpectrumSet

        _no_region(selection)
        chosen = self._chosen(detectors)
        folder = None if output is None else Path(output)
        maps = exposure_maps or {}
        jobs = [
            (events, source, background, stokes, selection, {"exposure_map": maps.get(name), "wmap": wmap})
            for name, events in chosen.items()
        ]
        made = each(make_spectra, jobs, "extracting spectra", executor=executor)
        spectra: list[Spectrum] = []
        groups: list[int] = []
        cache: dict[Any, Any] = {}  # responses read once for all spectra that use them
        stems: list[str] = []
        for number, (detector, pairs) in enumerate(zip(chosen, made, strict=True), start=1):
            files = self._responses(detector, pairs[0][0], stokes, responses)
            for spectrum, back in pairs:
                spectra.append(_attach(spectrum, back, files, folder, cache))
                groups.append(number)
                stems.append(self.product_stem(detector))
        result = SpectrumSet(spectra, groups=groups)
        return result if folder is None else _write_spectra(self, result, stems, folder, overwrite=overwrite)

    def _responses(self, detector: str, spectrum: Spectrum, stokes: str | None, responses: Any) -> dict[str, Any]:
        """Response files of one detector: given ones, or found in a folder."""
        if responses is None:
            return {}
        if isinstance(responses, Mapping):
            by_upper = {str(k).upper(): v for k, v in responses.items()}
            if detector.upper() not in by_upper:
                raise ResponseError(
                    f"no responses are given for detector {detector} (given: {', '.join(map(str, responses))})",
                    cure=f"Add an entry {detector!r}: {{'rmf': ..., 'arf': ...}}.",
                )
            return dict(by_upper[detector.upper()])
        from wolter.data import find_responses

        found = find_responses(
            responses, spectrum, weight_boundaries=self.mission.weight_boundaries, modulation=stokes is not None
        )
        return {"rmf": found.rmf, "arf": found.arf, "mrf": found.mrf}

    def image(
        self,
        *,
        detectors: Sequence[str] | None = None,
        executor: Executor | None = None,
        **options: Any,
    ) -> dict[str, Image]:
        """Image of each detector.

        Parameters
        ----------
        detectors : sequence of str, optional
            Only these.
        executor : concurrent.futures.Executor, optional
            Runs the detectors in parallel.
        **options
            As for `wolter.makers.make_image`: frame, binning, energy, region, grid, and selections.
        """
        chosen = self._chosen(detectors)
        bands = [options.pop("energy", None)]
        made = each(make_images, [(e, bands, options) for e in chosen.values()], "making images", executor=executor)
        return {name: images[0] for name, images in zip(chosen, made, strict=True)}

    def images(
        self,
        bands: Sequence[Any],
        *,
        detectors: Sequence[str] | None = None,
        executor: Executor | None = None,
        **options: Any,
    ) -> dict[str, list[Image]]:
        """Images of each detector in several energy bands, from one pass over its events; options as for `image`."""
        chosen = self._chosen(detectors)
        jobs = [(events, list(bands), options) for events in chosen.values()]
        return dict(zip(chosen, each(make_images, jobs, "making images", executor=executor), strict=True))

    def exposure_map(self, detector: str | None = None, *, energy: Any = None, **options: Any) -> ExposureMap:
        """Exposure map of a detector; see `exposure_maps`.

        Parameters
        ----------
        detector : str, optional
            One of the observation's detectors; need not be named if there is only one.
        energy : Quantity, optional
            Energy, or pair of energies of a band, at which vignetting is taken.
        **options
            As for `exposure_maps`.
        """
        return self.exposure_maps(detector, [energy], **options)[0]

    def exposure_maps(
        self,
        detector: str | None = None,
        energies: Sequence[Any] = (None,),
        *,
        like: Image | ImageGrid | None = None,
        vignetting: bool | None = None,
        gti: Any = None,
        executor: Executor | None = None,
        **options: Any,
    ) -> list[ExposureMap]:
        """Exposure maps of a detector at several energies, for the cost of one.

        Parameters
        ----------
        detector : str, optional
            One of the observation's detectors; need not be named if there is only one.
        energies : sequence of Quantity
            Energies or bands at which vignetting is taken; None for plain live time.
        like : Image or ImageGrid, optional
            Pixels of the maps; by default those of `image`.
        vignetting : bool, optional
            Whether the maps fall off with the effective area; by default if energies are given.
        gti : GTI or path-like, optional
            Further good times, as the image was made with; as for `EventList.select`.
        executor : concurrent.futures.Executor, optional
            Runs the CCDs in parallel.
        **options
            Files and settings of the mission: ``attitude=``, ``events=`` (a selection of times), ...

        Raises
        ------
        MissionError
            If the detector is unknown, the mission makes no exposure maps, or a file is missing.
        DataError
            If the attitude does not cover the good time, or the image lies outside the field.
        """
        from wolter.makers.exposure import exposure_maps

        if detector is None:
            if len(self.events) > 1:
                raise MissionError(
                    f"the observation has several detectors ({', '.join(self.events)})",
                    file=self.path,
                    cure="Name one of them.",
                )
            detector = next(iter(self.events))
        events = self._chosen([detector])[detector]
        if gti is not None:
            events = events.select(gti=gti)
        inputs = self.mission.load("exposure")(self, detector, **({"events": events} | options))
        if like is None:
            like = self.image(detectors=[detector])[detector]
        if vignetting is None:
            vignetting = any(e is not None for e in energies)
        return exposure_maps(inputs, like, energies, vignetting=vignetting, executor=executor)

    def light_curve(
        self,
        binsize: Any,
        source: RegionSet | None = None,
        background: RegionSet | None = None,
        *,
        min_fraction: float = 0.1,
        deadtime: Any = None,
        errors: Any = "sqrt",
        detectors: Sequence[str] | None = None,
        executor: Executor | None = None,
        **selection: Any,
    ) -> dict[str, LightCurve]:
        """Light curve of each detector; see `wolter.makers.light_curve`.

        Parameters
        ----------
        binsize : Quantity
            Length of the bins. Bins with less than a tenth of good time are left out unless `min_fraction` says
            otherwise: their rates are all error bar.
        source, background : RegionSet, optional
            Where the events are taken from; the background is subtracted by area.
        deadtime : "header", "housekeeping" or LiveTime, optional
            Correction for dead time: by DEADC, or bin by bin from the mission's housekeeping.
        errors : {"sqrt", "gehrels"}
        detectors : sequence of str, optional
            Only these.
        executor : concurrent.futures.Executor, optional
            Runs the detectors in parallel.
        **selection
            As for `EventList.select`.
        """
        _no_region(selection)
        chosen = self._chosen(detectors)
        jobs = []
        for name, events in chosen.items():
            live = deadtime
            if isinstance(deadtime, str) and deadtime == "housekeeping":
                live = self.mission.load("live_fraction")(self, name)
            options = {"min_fraction": min_fraction, "deadtime": live, "errors": errors}
            jobs.append((events, binsize, source, background, options, selection))
        return dict(zip(chosen, each(make_light_curve, jobs, "making light curves", executor=executor), strict=True))

    def polarisation_cube(
        self,
        source: RegionSet | None,
        background: RegionSet | None = None,
        *,
        energy: Any,
        responses: str | os.PathLike[str] | Mapping[str, Mapping[str, Any]] | Caldb,
        weighting: str | None = None,
        detectors: Sequence[str] | None = None,
        executor: Executor | None = None,
        **selection: Any,
    ) -> PolarisationCube:
        """Event-based polarisation of all detectors together; see `wolter.makers.polarisation_cube`.

        Parameters
        ----------
        source, background : RegionSet
            Where the events are taken from; the background is subtracted by area.
        energy : Quantity
            Edges of the energy bins.
        responses : path-like or mapping
            As for `spectra`; the ratio of MRF and ARF is the modulation factor.
        weighting : str, optional
            By default the mission's recommended one.
        executor : concurrent.futures.Executor, optional
            Runs the detectors in parallel.
        """
        from wolter.data import ARF
        from wolter.makers import extract_spectrum, polarisation_cube

        kind = self.mission.weighting(weighting or self.mission.default_weighting or "unweighted")
        lists, backs, modulation = [], [], []
        for name, events in self._chosen(detectors).items():
            lists.append(events.select(region=source, **selection))
            backs.append(None if background is None else events.select(region=background, **selection))
            probe = extract_spectrum(events.select(region=source))
            probe.header["STOKESWT"] = kind.stokeswt
            files = self._responses(name, probe, kind.name, responses)
            modulation.append((ARF.read(files["mrf"]), ARF.read(files["arf"])))
        return polarisation_cube(
            lists,
            energy,
            modulation,
            weights=kind.name != "unweighted",
            background=None if background is None else backs,
            executor=executor,
        )


def _named_from(folder: Path, file: str | os.PathLike[str]) -> str:
    """How a product in a folder names a file: relative if it is near, so that both can move; absolute if it is not."""
    relative = os.path.relpath(file, folder)
    return relative if relative.count("..") <= 1 else os.path.abspath(file)


def _no_region(selection: Mapping[str, Any]) -> None:
    """Refuse ``region=``: where both a source and a background are taken, each has its own name."""
    if "region" in selection:
        raise ParameterError("region= does not say whether source or background is meant", cure="Give it as source=.")


def _attach(
    spectrum: Spectrum,
    background: Spectrum | None,
    files: Mapping[str, Any],
    folder: Path | None,
    cache: dict[Any, Any],
) -> Spectrum:
    """Spectrum with background and responses attached, checked that they belong together."""
    from wolter.data import ARF, RMF

    if background is not None:
        spectrum = spectrum.replace(background=background)
    if not files:
        return spectrum
    kind = "arf" if spectrum.stokes in (None, 0) else "mrf"
    if files.get(kind) is None:
        raise ResponseError(
            f"a Stokes {'IQU'[spectrum.stokes or 0]} spectrum needs a modulation response (mrf) and none is given",
            cure="Add 'mrf': path to the responses.",
        )
    named = {"respfile": files["rmf"], "ancrfile": files[kind]}
    if folder is not None:
        named = {key: _named_from(folder, file) for key, file in named.items()}
    spectrum = spectrum.replace(**{key: str(file) for key, file in named.items()})
    for file, reader in ((files["rmf"], RMF.read), (files[kind], ARF.read)):
        if file not in cache:
            cache[file] = reader(file)
    return spectrum.with_responses(cache[files["rmf"]], cache[files[kind]])


def _known_hashes(provenance: fits.Provenance | None, hashes: Mapping[str, Any]) -> fits.Provenance | None:
    """The same provenance, with the hashes of inputs that were computed before."""
    if provenance is None:
        return None
    return replace(provenance, inputs=[hashes.get(str(i), i) for i in provenance.inputs])


def _write_spectra(
    observation: Observation, spectra: SpectrumSet, stems: Sequence[str], folder: Path, *, overwrite: bool
) -> SpectrumSet:
    """Write source and background spectra (``<mission>_det<n>_src_I.pha``); all of them, or none on an error."""
    from wolter.data import SpectrumSet

    folder.mkdir(parents=True, exist_ok=True)
    plan: list[tuple[Spectrum, Path, Path | None]] = []
    for spectrum, stem in zip(spectra, stems, strict=True):
        letter = "" if spectrum.stokes is None else "_" + "IQU"[spectrum.stokes]
        back = None if spectrum.background is None else folder / f"{stem}_bck{letter}.pha"
        plan.append((spectrum, folder / f"{stem}_src{letter}.pha", back))
    inputs = [events.path for events in observation.events.values()]
    hashes = dict(zip(map(str, inputs), fits.Provenance("extract", {}, inputs).resolved().inputs, strict=True))
    written: list[Spectrum] = []
    with ExitStack() as stack:
        pending = {
            path: stack.enter_context(fits.atomic_path(path, overwrite=overwrite))
            for _, source, back in plan
            for path in (source, back)
            if path is not None
        }
        for spectrum, source, back in plan:
            if back is not None and spectrum.background is not None:
                provenance = _known_hashes(spectrum.background.provenance, hashes)
                spectrum.background.write(pending[back], overwrite=True, provenance=provenance)
                spectrum = spectrum.replace(backfile=back.name, background=spectrum.background.replace(path=back))
            provenance = _known_hashes(spectrum.provenance, hashes)
            spectrum.write(pending[source], overwrite=True, provenance=provenance)
            written.append(spectrum.replace(path=source))
    return SpectrumSet(written, groups=spectra.groups)
