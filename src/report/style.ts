/** The style sheet. System fonts only; light, dark and print; no style attribute anywhere, so its hash can be in the policy. */

/** Text colours keep a contrast of at least 4.5 to 1 on their ground, in both schemes. */
const COLOURS = `
:root {
  color-scheme: light dark;
  --paper: #fdfcfa; --ink: #1f1e1b; --quiet: #5f5b53; --rule: #dad6cc; --strong-rule: #8b867a; --link: #27517c; --tint: #f3f1eb;
  --alarm: #9c2f1a; --mount: #f4f2ed; --mount-rule: #e2ded4;
  --s0: #2b5c8a; --s1: #b3541e; --s2: #3c7a57; --s3: #7d4a86; --s4: #8a6710; --s5: #5a6570; --pale: #c9d3dc; --muted-area: #98948a;
  --h0: #eeece6; --h1: #dfe8f0; --h2: #bdd2e4; --h3: #97b9d6; --h4: #74a2c8;
  --w1: #f5e6db; --w2: #eecdb5; --w3: #e3b08b; --w4: #d49467;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #171614; --ink: #e7e4dd; --quiet: #a8a298; --rule: #38352f; --strong-rule: #777064; --link: #93bde6; --tint: #22201d;
    --alarm: #f0937d; --mount: #d9d6ce; --mount-rule: #38352f;
    --s0: #7fb0de; --s1: #e3996a; --s2: #7fc29b; --s3: #cda1d6; --s4: #d3b25c; --s5: #a9b4bf; --pale: #3f4b56; --muted-area: #7d786e;
    --h0: #2a2926; --h1: #22303c; --h2: #274056; --h3: #2d5172; --h4: #34628c;
    --w1: #382b22; --w2: #513828; --w3: #6a462e; --w4: #825433;
  }
}`;

const TEXT = `
* { box-sizing: border-box; }
html { font-size: 16px; -webkit-text-size-adjust: 100%; scroll-padding-top: 1rem; }
body { margin: 0 auto; max-width: 76rem; padding: 2.2rem 2rem 4rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 "Iowan Old Style", "Palatino Linotype", Palatino, Charter, Georgia, "Liberation Serif", serif; counter-reset: figure table; }
h1 { font-size: 2.1rem; line-height: 1.15; font-weight: 400; letter-spacing: -.01em; margin: 0 0 .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.45rem; line-height: 1.25; font-weight: 400; margin: 0 0 .8rem; }
h3 { font-size: 1.08rem; font-weight: 600; margin: 2rem 0 .35rem; overflow-wrap: anywhere; }
p { margin: 0 0 .8rem; }
a { color: var(--link); text-underline-offset: .15em; text-decoration-thickness: 1px; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
code { font: .84em/1.4 ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; overflow-wrap: anywhere; }
.prose { max-width: 44rem; }
.quiet, .rows-in { color: var(--quiet); }
.prose .rows-in { font: .84rem/1.4 "Helvetica Neue", Arial, "Liberation Sans", sans-serif; }
.alarm { color: var(--alarm); }
.hidden-text, .skip:not(:focus) { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
header .kind { font-variant-caps: all-small-caps; letter-spacing: .08em; color: var(--quiet); margin: 0; }
header, nav, table, figure, .filter, .gallery, .facts-list, footer, details { font-family: "Helvetica Neue", Arial, "Liberation Sans", sans-serif; }
header h1, .kind { font-family: "Iowan Old Style", "Palatino Linotype", Palatino, Charter, Georgia, "Liberation Serif", serif; }
header .quiet { font-size: .84rem; overflow-wrap: anywhere; }
nav ol { list-style: none; margin: 0 0 1.4rem; padding: .5rem 0; border-top: 1px solid var(--rule); border-bottom: 1px solid var(--rule);
  display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; font-size: .86rem; }
nav a { color: var(--quiet); text-decoration: none; display: inline-block; padding: .15rem 0; }
nav a:hover { color: var(--link); text-decoration: underline; }
main > section + section { margin-top: 3rem; padding-top: 1.6rem; border-top: 1px solid var(--rule); }
.answers { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 0 2rem; margin-bottom: 1.6rem; }
.answers h2 { font-size: 1.08rem; font-style: italic; margin-bottom: .4rem; }
.answers > div { border-top: 2px solid var(--ink); padding-top: .6rem; }
.answers p { line-height: 1.48; overflow-wrap: anywhere; font-variant-numeric: lining-nums; }
.answers strong { font-weight: 600; white-space: nowrap; }
footer { margin-top: 3rem; font-size: .8rem; }
.facts-list { display: grid; grid-template-columns: repeat(auto-fill, minmax(10rem, 1fr)); gap: .7rem 2rem; margin: 0 0 1rem; font-size: .86rem; }
.facts-list > div { min-width: 0; }
.facts-list dt { color: var(--quiet); font-size: .78rem; }
.facts-list dd { margin: 0; overflow-wrap: anywhere; }
.facts-list .wide { grid-column: 1 / -1; }`;

const TABLES = `
.scroll { overflow-x: auto; margin: 0 0 1.6rem; background:
    linear-gradient(to left, var(--paper) 40%, transparent) right / 2.4rem 100% no-repeat local,
    linear-gradient(to left, var(--rule), transparent) right / .7rem 100% no-repeat scroll; }
table { border-collapse: collapse; width: 100%; font-size: .84rem; line-height: 1.35; font-variant-numeric: tabular-nums lining-nums;
  border-bottom: 1px solid var(--strong-rule); }
caption { text-align: left; color: var(--quiet); padding: 0 0 .4rem; font-size: .84rem; }
:not(details) > .scroll > table > caption:not(.hidden-text) { counter-increment: table; }
:not(details) > .scroll > table > caption:not(.hidden-text) > span::before { content: "Table " counter(table) ". "; color: var(--ink); font-weight: 600; }
thead { border-top: 1.5px solid var(--ink); border-bottom: 1px solid var(--strong-rule); }
tfoot { border-top: 1px solid var(--strong-rule); }
th, td { padding: .3rem .9rem .3rem 0; text-align: left; vertical-align: baseline; font-weight: 400; }
th:last-child, td:last-child { padding-right: 0; }
thead th { font-weight: 600; vertical-align: bottom; }
tbody tr + tr { border-top: 1px solid var(--rule); }
tbody tr:hover { background: var(--tint); }
.number { text-align: right; white-space: nowrap; }
td.code { min-width: 7rem; }
thead button { all: unset; cursor: pointer; font-weight: 600; text-underline-offset: .2em; }
thead button:hover { text-decoration: underline; }
thead button:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
th[aria-sort="ascending"] button::after { content: " \\2191"; }
th[aria-sort="descending"] button::after { content: " \\2193"; }`;

const FIGURES = `
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); gap: 1.8rem 2.4rem; align-items: start; margin: 1.4rem 0; }
.figures > * { min-width: 0; }
figure { margin: 0; font-size: .84rem; }
figcaption { color: var(--quiet); line-height: 1.4; margin-bottom: .5rem; overflow-wrap: anywhere; }
figcaption b { color: var(--ink); font-weight: 600; }
.fig { counter-increment: figure; }
.fig figcaption::before { content: "Figure " counter(figure) ". "; color: var(--ink); font-weight: 600; }
.fig > svg { display: block; width: 100%; max-width: 460px; height: auto; overflow: visible; }
.fig > details { margin-top: .3rem; }
details { font-size: .84rem; }
summary { cursor: pointer; color: var(--quiet); width: fit-content; }
summary:hover { color: var(--link); }
details > .scroll { margin: .4rem 0 1rem; max-height: 24rem; overflow: auto; }
.legend { list-style: none; padding: 0; margin: 0 0 .4rem; display: flex; flex-wrap: wrap; gap: .1rem 1rem; font-size: .8rem; color: var(--quiet); }
.legend svg { vertical-align: -1px; }
svg text { font: 12px "Helvetica Neue", Arial, "Liberation Sans", sans-serif; fill: var(--ink); font-variant-numeric: tabular-nums lining-nums; }
svg .tick, svg .axis-title, svg .muted { fill: var(--quiet); }
svg .tick, svg .axis-title { font-size: 11px; }
svg .muted { font-style: italic; }
.grid { stroke: var(--rule); stroke-width: 1; }
.base { stroke: var(--strong-rule); stroke-width: 1; }
.area { fill: currentColor; fill-opacity: .68; }
.area.pale { fill-opacity: 1; }
.interval { stroke: var(--ink); stroke-width: 1.2; fill: none; }
.line { fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linejoin: round; stroke-linecap: round; }
.outline { fill: currentColor; fill-opacity: .22; stroke: currentColor; stroke-width: 1.4; }
.dot { fill: currentColor; stroke: var(--paper); stroke-width: 1.2; }
svg .end-label { fill: currentColor; }
.s0 { color: var(--s0); } .s1 { color: var(--s1); } .s2 { color: var(--s2); } .s3 { color: var(--s3); } .s4 { color: var(--s4); } .s5 { color: var(--s5); }
.line.s1 { stroke-dasharray: 6 4; } .line.s2 { stroke-dasharray: 2 4; } .line.s3 { stroke-dasharray: 9 3 2 3; } .line.s4 { stroke-dasharray: 12 5; } .line.s5 { stroke-dasharray: 4 2; }
.pale { color: var(--pale); } .muted-area { color: var(--muted-area); }
.cell.none { fill: none; stroke: var(--rule); }
.cell.h0 { fill: var(--h0); } .cell.h1 { fill: var(--h1); } .cell.h2 { fill: var(--h2); } .cell.h3 { fill: var(--h3); } .cell.h4 { fill: var(--h4); }
.cell.w1 { fill: var(--w1); } .cell.w2 { fill: var(--w2); } .cell.w3 { fill: var(--w3); } .cell.w4 { fill: var(--w4); }`;

const GALLERY = `
.filter { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; align-items: baseline; margin: 0 0 .9rem; font-size: .84rem; }
.filter[hidden] { display: none; }
.filter button { all: unset; cursor: pointer; padding: .1rem 0; border-bottom: 2px solid transparent; }
.filter button:hover { border-bottom-color: var(--rule); }
.filter button[aria-pressed="true"] { border-bottom-color: var(--ink); }
.filter button:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.gallery { list-style: none; margin: 0 0 1.6rem; padding: 0; display: grid; gap: 1.2rem 1rem; grid-template-columns: repeat(auto-fill, minmax(9.4rem, 1fr)); font-size: .78rem; line-height: 1.35; }
.gallery.singles { grid-template-columns: repeat(auto-fill, minmax(8rem, 1fr)); }
.gallery li { min-width: 0; }
.gallery li[hidden] { display: none; }
.gallery p { margin: .25rem 0 0; overflow-wrap: anywhere; }
.gallery .facts { color: var(--quiet); }
.duo { display: flex; gap: 3px; }
.thumb { display: block; width: 72px; height: 72px; padding: 4px; background: var(--mount); border: 1px solid var(--mount-rule); object-fit: contain; }
.thumb.missing { border-style: dashed; background: none; }
.gallery li[data-a] { cursor: pointer; }
.gallery .current .thumb { border-color: var(--ink); }
.gallery .decision { color: var(--link); }`;

const REVIEW = `
.review { border: 1px solid var(--strong-rule); padding: .4rem 1.2rem 1rem; margin: 2rem 0 1.6rem; font: .86rem/1.45 "Helvetica Neue", Arial, "Liberation Sans", sans-serif; }
.review[hidden] { display: none; }
.review h3 { margin-top: .8rem; }
.review .thumb { width: 168px; height: 168px; }
.review .pair p { margin: .3rem 0 0; overflow-wrap: anywhere; }
.review .fields { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 15rem), 1fr)); gap: .6rem 1.4rem; margin: .8rem 0; }
.review label { display: grid; gap: .15rem; color: var(--quiet); min-width: 0; }
.review input, .review select { font: inherit; color: var(--ink); background: var(--paper); border: 1px solid var(--strong-rule); padding: .25rem .4rem; min-width: 0; max-width: 100%; }
.review .actions button { font: inherit; color: var(--ink); background: var(--tint); border: 1px solid var(--strong-rule); padding: .25rem .8rem; margin: 0 .3rem .3rem 0; cursor: pointer; }
kbd { font: .84em/1.4 ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; border: 1px solid var(--rule); border-bottom-width: 2px; padding: 0 .3em; }`;

const LAYOUT = `
@media screen and (min-width: 70rem) {
  body { display: grid; grid-template-columns: 8.5rem minmax(0, 1fr); column-gap: 3rem; }
  header, main, footer { grid-column: 2; }
  header { margin-bottom: 1.4rem; }
  nav { grid-column: 1; grid-row: 1 / span 3; }
  nav ol { position: sticky; top: 2.2rem; display: block; border: 0; padding: .35rem 0 0; line-height: 1.7; }
}
@media screen and (max-width: 50rem) {
  body { padding: 1.2rem 1rem 3rem; }
  h1 { font-size: 1.7rem; }
  .scroll caption > span { display: block; position: sticky; left: 0; max-width: calc(100vw - 2rem); }
  th:not([class]), td:not([class]) { min-width: 5.5rem; }
  td:not([class]):last-child { min-width: 9rem; }
  td.code, th.code { min-width: 14rem; }
  .answers { display: block; }
  .answers > div { margin-bottom: 1.1rem; }
}
@media print {
  @page { margin: 16mm 14mm; }
  :root { color-scheme: light; --paper: #fff; }
  html { font-size: 10.5pt; }
  body { display: block; max-width: none; padding: 0; }
  nav, .filter, .skip, .review, .fig > details { display: none; }
  .scroll { overflow: visible; background: none; }
  table { font-size: .74rem; }
  td.code { min-width: 0; }
  .figures { grid-template-columns: 1fr 1fr; }
  figure, .gallery li, tr, .answers > div { break-inside: avoid; }
  h2, h3, caption { break-after: avoid; }
  .area, .outline, .cell, .thumb { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
@media (prefers-reduced-motion: no-preference) { html { scroll-behavior: smooth; } }
`;

export const STYLE = `${COLOURS}${TEXT}${TABLES}${FIGURES}${GALLERY}${REVIEW}${LAYOUT}`;
