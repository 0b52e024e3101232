"""How the report looks: light and dark, on paper, a phone or a screen."""

from penchant.plots.palette import PALETTE

STYLE = (
    PALETTE
    + """
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 980px; margin: 0 auto; padding: 40px 20px 64px; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 6px; letter-spacing: -.01em; }
h2 { font-size: 18px; margin: 0 0 12px; }
h3 { font-size: 15px; margin: 0 0 2px; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 22px 24px; margin-top: 20px; }
.soft { color: var(--soft); } .good { color: var(--good); } .bad { color: var(--bad); }
code { font: 13px ui-monospace, "SF Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); gap: 12px;
  margin-top: 20px; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 14px 16px; }
.tile b { display: block; font-size: 20px; overflow-wrap: anywhere; font-weight: 650;
  letter-spacing: -.01em; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: 13px; }
th, td { padding: 7px 14px 7px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child td { border-bottom: 0; }
td.number, th.number { text-align: right; white-space: nowrap; }
.badge { display: inline-block; border: 1px solid var(--all); color: var(--all);
  border-radius: 99px; font-size: 12px; padding: 0 8px; margin: 0 4px 2px 0; }
svg { width: 100%; display: block; margin-top: 8px; } svg[viewBox] { height: auto; }
svg.band-plot { max-width: 560px; } .scroll td:first-child { min-width: 7em; }
svg text { fill: var(--ink); font-size: 14px; } svg .tick { fill: var(--soft); font-size: 12px; }
svg .end { text-anchor: end; } svg .middle { text-anchor: middle; }
svg .grid { stroke: var(--line); stroke-width: 1; }
svg .whisker { stroke-width: 3; stroke-linecap: round; opacity: .45; }
svg .whisker.all { stroke: var(--all); } svg .whisker.new { stroke: var(--new); }
svg .whisker.rest { stroke: var(--soft); }
svg .bar-all { fill: var(--all); opacity: .45; } svg .bar-rest { fill: var(--soft); opacity: .25; }
svg .nothing { fill: none; pointer-events: all; }
svg .band { fill: var(--all); opacity: .18; } svg polyline { fill: none; }
svg .past { stroke: var(--soft); stroke-width: 2; }
svg .ahead { stroke: var(--all); stroke-width: 2; stroke-dasharray: 5 4; }
svg.fluid .label { font-size: 13px; font-weight: 600; }
svg .note { fill: var(--soft); font-size: 12px; }
svg .interval { stroke: var(--ink); stroke-width: 1.5; stroke-linecap: round; opacity: .75; }
svg .dot.all { fill: var(--all); } svg .dot.new { fill: var(--new); }
.key::before { content: ""; display: inline-block; width: 10px; height: 10px;
  border-radius: 50%; margin: 0 6px 0 14px; background: var(--all); }
.key.new::before { background: var(--new); } .key { white-space: nowrap; }
.key.rest::before { background: var(--soft); opacity: .5; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(400px, 1fr));
  gap: 8px 20px; }
svg .small { font-size: 11px; paint-order: stroke; stroke: var(--card); stroke-width: 3px; }
svg .leader { stroke: var(--soft); stroke-width: 1; opacity: .6; }
svg .small.strong { stroke: none; }
svg .tiny { font-size: 10px; fill: var(--soft); }
svg .strong { font-weight: 600; }
svg .thin { stroke-width: 1.5; opacity: .35; } svg .thin.rest { stroke: var(--soft); }
svg .dot.rest { fill: var(--soft); opacity: .55; }
svg polyline { fill: none; } svg .front { stroke: var(--all); stroke-width: 1.5; opacity: .6; }
svg .faint { stroke: var(--soft); stroke-width: 1; opacity: .25; }
svg .curve { stroke: var(--all); stroke-width: 2; stroke-linejoin: round; }
svg .shade0 { opacity: .25; } svg .shade1 { opacity: .5; } svg .shade2 { opacity: .75; }
.key.shade0::before { opacity: .25; } .key.shade1::before { opacity: .5; }
.key.shade2::before { opacity: .75; }
.bar { height: 12px; background: var(--all); border-radius: 3px; min-width: 1px; }
.bars td:nth-child(2) { width: 40%; vertical-align: middle; }
svg .line0 { stroke: var(--hue0); stroke-width: 2; stroke-linejoin: round; }
svg .line1 { stroke: var(--hue1); stroke-width: 2; stroke-linejoin: round; }
svg .line2 { stroke: var(--hue2); stroke-width: 2; stroke-linejoin: round; }
svg .line3 { stroke: var(--hue3); stroke-width: 2; stroke-linejoin: round; }
svg .line4 { stroke: var(--hue4); stroke-width: 2; stroke-linejoin: round; }
svg .line5 { stroke: var(--hue5); stroke-width: 2; stroke-linejoin: round; }
svg .line6 { stroke: var(--hue6); stroke-width: 2; stroke-linejoin: round; }
svg .hue0 { fill: var(--hue0); opacity: .8; } .key.hue0::before { background: var(--hue0); }
svg .hue1 { fill: var(--hue1); opacity: .8; } .key.hue1::before { background: var(--hue1); }
svg .hue2 { fill: var(--hue2); opacity: .8; } .key.hue2::before { background: var(--hue2); }
svg .hue3 { fill: var(--hue3); opacity: .8; } .key.hue3::before { background: var(--hue3); }
svg .hue4 { fill: var(--hue4); opacity: .8; } .key.hue4::before { background: var(--hue4); }
svg .hue5 { fill: var(--hue5); opacity: .8; } .key.hue5::before { background: var(--hue5); }
svg .hue6 { fill: var(--hue6); opacity: .8; } .key.hue6::before { background: var(--hue6); }
.user { display: grid; grid-template-columns: 1fr 1fr; gap: 8px 32px;
  padding: 16px 0; border-top: 1px solid var(--line); }
.user:first-of-type { border-top: 0; padding-top: 0; }
.user h3 { grid-column: 1 / -1; }
@media (max-width: 640px) { .user { grid-template-columns: 1fr; } }
ol, ul { margin: 4px 0 0; padding-left: 20px; } li { margin: 3px 0; }
summary { cursor: pointer; color: var(--soft); }
"""
)
