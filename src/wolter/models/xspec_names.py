"""Names of XSPEC's components in the order in which XSPEC 12.15 tries abbreviations.

XSPEC takes the first name in this order that begins with what the user typed (case ignored, two letters at least), so
``po`` is powerlaw although posm and polconst begin alike. The list is complete, so that an abbreviation never
means something else here than there: one that XSPEC resolves to a component missing here is an error.
Source: the component list of HEASoft 6.35.1.
"""

from __future__ import annotations

__all__ = ["XSPEC_NAMES"]

_TEXT = """
agauss agnsed agnslim apec bapec bcempow bcheb6 bcie bcoolflow bcph bequil bexpcheb6 bgadem bgnei bnei
bsnapec btapec bbody bbodyrad bexrav bexriv bknpower bkn2pow bmc bnpshock bpshock bremss brnei bsedov
bvapec bvcempow bvcheb6 bvcie bvcoolflow bvcph bvequil bvexpcheb6 bvgadem bvgnei bvnei bvnpshock bvpshock
bvrnei bvsedov bvtapec bvvapec bvvcie bvvgadem bvvgnei bvvnei bvvnpshock bvvpshock bvvrnei bvvsedov
bvvtapec bvvwdem bvwdem bwdem c6mekl c6pmekl c6pvmkl c6vmekl carbatm cemekl cempow cevmkl cflow cheb6 cie
compbb compmag compLS compPS compST comptb compth compTT coolflow cph cplinear cutoffpl disk diskir diskbb
diskline diskm disko diskpbb diskpn eebremss eplogpar eqpair eqtherm equil expdec expcheb6 ezdiskbb feklor
gaussian gadem gnei grad grbcomp grbjet grbm hatm jet kerrbb kerrd kerrdisk kyconv kyrline laor laor2
logpar lorentz meka mekal mkcflow nei nlapec npshock nsa nsagrav nsatmos nsmax nsmaxg nsx nteea nthComp
optxagn optxagnf pegpwrlw pexmon pexrav pexriv plcabs powerlaw posm pshock qsosed raymond redge refsch
rgsext rgsxsrc rnei sedov sirf slimbh smaug snapec srcut sresc ssa sssed step tapec vagauss vapec vbremss
vcempow vcheb6 vcie vcoolflow vcph vexpcheb6 vequil vgadem vgaussian vgnei vlorentz vmeka vmekal vmcflow
vnei vnpshock voigt vpshock vraymond vrnei vsedov vtapec vvapec vvcie vvgadem vvgnei vvnei vvnpshock
vvoigt vvpshock vvrnei vvsedov vvtapec vvwdem vwdem wdem zagauss zbbody zbknpower zbremss zcutoffpl
zfeklor zgauss zkerrbb zlogpar zlorentz zpowerlw zvlorentz zvoigt zvvoigt absori acisabs constant cabs
cyclabs dust edge expabs expfac gabs heilin highecut hrefl ismabs ismdust logconst log10con lorabs lyman
notch olivineabs pcfabs phabs plabs polconst pollin polpow pwab redden smedge spexpcut spline SSS_ice
swind1 TBabs TBfeo TBgas TBgrain TBvarabs TBpcf TBrel uvred varabs vgabs vlorabs voigtabs vphabs vvoigtabs
wabs wndabs xion xscat zbabs zdust zedge zgabs zhighect zigm zlorabs zpcfabs zphabs zvlorabs zvoigtabs
zvvoigtabs zxipab zxipcf zredden zsmdust zTBabs zvagauss zvarabs zvfeabs zvgabs zvgaussian zvphabs zwabs
zwndabs cflux clumin cglumin cpflux gsmooth ireflect kdblur kdblur2 kerrconv lsmooth partcov rdblur
reflect rfxconv simpl thcomp vashift vmshift xilconv zashift zmshift pileup bwcycl ascac projct xmmpsf
suzpsf recorn polrot crossarf clmass nfwmass monomass
"""

XSPEC_NAMES: tuple[str, ...] = tuple(_TEXT.split())
