"""The page's style sheet and script, and the content security policy that lets in these and nothing else."""

import base64
import re
from hashlib import sha256

# Every text keeps at least 4.5:1 against its ground in both schemes (WCAG 2.2, 1.4.3).
_SHEET = """
:root{color-scheme:light dark;--ground:#f3f4f1;--card:#fff;--ink:#1b2421;--soft:#55615c;--line:#e2e6e2;
--good:#0f6446;--good-wash:#e4f2ea;--caution:#855000;--caution-wash:#fcf0d9;
--danger:#a3192c;--danger-wash:#fceaec;--quiet:#3d4d63;--quiet-wash:#e9eef4}
@media(prefers-color-scheme:dark){:root{--ground:#0f1412;--card:#171d1b;--ink:#e8eeeb;--soft:#a4b1ac;--line:#2b3431;
--good:#84dab5;--good-wash:#16332a;--caution:#f2c775;--caution-wash:#382b12;
--danger:#ffa3aa;--danger-wash:#3d1b20;--quiet:#b6c6da;--quiet-wash:#212b37}}
*{box-sizing:border-box;margin:0}
[hidden]{display:none!important}
html{-webkit-text-size-adjust:100%}
body{background:var(--ground);color:var(--ink);font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;
min-height:100vh;padding:1rem .75rem 2.5rem;display:flex;flex-direction:column;align-items:center;
overflow-wrap:anywhere}
.brand{width:100%;max-width:31rem;padding:.25rem .5rem .9rem;font-weight:650;letter-spacing:-.01em;display:flex;
align-items:center;gap:.5rem}
.brand svg{width:1.25rem;height:1.25rem}
main{width:100%;max-width:31rem;background:var(--card);border-radius:1.25rem;overflow:hidden;
box-shadow:0 1px 2px rgb(0 0 0/.06),0 12px 32px -12px rgb(0 0 0/.14)}
.good{--tone:var(--good);--wash:var(--good-wash)}
.caution{--tone:var(--caution);--wash:var(--caution-wash)}
.danger{--tone:var(--danger);--wash:var(--danger-wash)}
.quiet{--tone:var(--quiet);--wash:var(--quiet-wash)}
.verdict{background:var(--wash);padding:2.25rem 1.5rem 2rem;text-align:center}
.seal{width:5rem;height:5rem;display:block;margin:0 auto 1.1rem}
.seal circle{fill:var(--tone)}
.seal .ring{fill:none;stroke:var(--tone);stroke-opacity:.28;stroke-width:.7}
.seal path{fill:none;stroke:var(--card);stroke-width:1.9;stroke-linecap:round;stroke-linejoin:round}
h1{color:var(--tone);font-size:clamp(1.5rem,6.4vw,1.9rem);line-height:1.2;letter-spacing:-.02em;font-weight:700;text-wrap:balance}
.verdict p{margin:.6rem auto 0;max-width:25rem;text-wrap:balance}
section{padding:1.35rem 1.5rem;border-top:1px solid var(--line)}
.verdict+section{border-top:0}
h2{font-size:.8125rem;font-weight:600;color:var(--soft);margin-bottom:.6rem}
.name{font-size:1.25rem;line-height:1.3;font-weight:650;letter-spacing:-.01em}
.kind{color:var(--soft)}
dl{display:grid;gap:.5rem}
.name~dl{margin-top:.9rem}
dl div{display:flex;flex-wrap:wrap;justify-content:space-between;gap:0 1.25rem}
dt{color:var(--soft)}
dd{margin-left:auto;text-align:right;font-weight:600;font-variant-numeric:tabular-nums}
ul{padding:0;list-style:none;display:grid;gap:.55rem}
li{padding-left:1.25rem;position:relative}
li::before{content:"";position:absolute;left:.1rem;top:.62em;width:.4rem;height:.4rem;border-radius:50%;
background:var(--tone)}
.note{color:var(--soft);font-size:.9375rem}
dl+.note{margin-top:.9rem}
a{color:inherit}
.button{display:inline-block;margin-top:.9rem;padding:.7rem 1.15rem;min-height:2.75rem;border-radius:.75rem;
background:var(--wash);color:var(--tone);font-weight:600;text-decoration:none}
button{font:inherit;border:0;cursor:pointer}
.actions{display:flex;flex-wrap:wrap;gap:0 .6rem}
.trial{background:var(--caution-wash);color:var(--caution);padding:.7rem 1.5rem;font-weight:600;text-align:center}
summary{font-weight:600;cursor:pointer;padding:.6rem 0;margin:-.6rem 0}
fieldset{border:0;padding:0;margin-top:.9rem}
legend,.label{display:block;padding:0;font-weight:600;margin-bottom:.35rem}
.choice{display:flex;gap:.65rem;align-items:center;min-height:2.75rem}
.choice input{width:1.25rem;height:1.25rem;flex:none;accent-color:var(--tone)}
.label{margin-top:.75rem}
textarea{width:100%;font:inherit;color:inherit;background:var(--ground);
border:1px solid var(--soft);border-radius:.75rem;padding:.65rem .8rem}
.button:hover{text-decoration:underline;text-underline-offset:.2em}
a:focus-visible,button:focus-visible,summary:focus-visible,input:focus-visible,textarea:focus-visible{
outline:3px solid var(--tone);outline-offset:3px;border-radius:.75rem}
footer{width:100%;max-width:31rem;padding:1.1rem .5rem 0;color:var(--soft);font-size:.8125rem;display:grid;gap:.35rem}
@media(min-width:40rem){body{padding:2.5rem 1.5rem 4rem}.verdict{padding:2.75rem 2.5rem 2.4rem}
section{padding:1.6rem 2.5rem}}
@media(forced-colors:active){.seal path{stroke:Canvas}.seal circle{fill:CanvasText}main{border:1px solid}}
@media print{body{background:none}main{box-shadow:none;border:1px solid var(--line)}.button,details{display:none}}
"""

SHEET = re.sub(r"\n+", "", _SHEET)

# All that needs a script: the phone's share sheet, and hints about the device for the report. The page works without.
SCRIPT = (
    "for(const b of document.querySelectorAll('[data-share]'))if(navigator.share){b.hidden=false;"
    "b.onclick=()=>navigator.share({title:document.title,url:location.href}).catch(()=>{})}"
    "for(const f of document.forms){f.screen_resolution.value=screen.width+'x'+screen.height;"
    "f.timezone.value=Intl.DateTimeFormat().resolvedOptions().timeZone||''}"
)


def _digest(text: str) -> str:
    return base64.b64encode(sha256(text.encode()).digest()).decode()


POLICY = (
    f"default-src 'none'; style-src 'sha256-{_digest(SHEET)}'; script-src 'sha256-{_digest(SCRIPT)}'; img-src data:; "
    "base-uri 'none'; form-action 'self'"
)
"""For the `meta` element. What only a header can say (`frame-ancestors`), the edge adds."""
