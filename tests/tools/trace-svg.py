#!/usr/bin/env python3
"""Draws a trace of the patched Ninja (CCHAIN_TRACE=file.json) as one small SVG: a row for each lane, hits, compiles and the rest by colour.

  trace-svg.py TRACE.json >PICTURE.svg
SPDX-License-Identifier: Apache-2.0
"""
import html
import json
import sys

WIDTH, LEFT, TOP, ROW, GAP = 960, 10, 46, 16, 3
COLOURS = {"hit": "#2e9e4f", "miss": "#d97706", "uncacheable": "#64748b", "command": "#94a3b8"}  # what an edge was; its parts (lookup, run, store) are left out


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        events = [e for e in json.load(f)["traceEvents"] if e["ph"] == "X" and e["cat"] in COLOURS]
    lanes = sorted({e["tid"] for e in events})
    end = max(e["ts"] + e["dur"] for e in events)
    scale = (WIDTH - 2 * LEFT) / end
    kinds = sorted({e["cat"] for e in events}, key=list(COLOURS).index)
    height = TOP + len(lanes) * (ROW + GAP) + 26
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11">' % (WIDTH, height)]
    out.append('<rect width="%d" height="%d" fill="#fff"/>' % (WIDTH, height))
    x = LEFT
    for kind in kinds:
        of_kind = [e for e in events if e["cat"] == kind]
        text = "%s: %d, %.0f ms" % (kind, len(of_kind), sum(e["dur"] for e in of_kind) / 1000)
        out.append('<rect x="%d" y="14" width="12" height="12" fill="%s"/><text x="%d" y="24">%s</text>' % (x, COLOURS[kind], x + 17, html.escape(text)))
        x += 30 + 6 * len(text)
    for e in events:
        y = TOP + lanes.index(e["tid"]) * (ROW + GAP)
        width = max(e["dur"] * scale, 0.6)
        tip = "%s: %s, %.1f ms" % (e["name"], e["cat"], e["dur"] / 1000)
        out.append('<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"><title>%s</title></rect>' % (LEFT + e["ts"] * scale, y, width, ROW, COLOURS[e["cat"]], html.escape(tip)))
        label = e["name"].rsplit("/", 1)[-1]
        if width > 6.2 * len(label) + 6:
            out.append('<text x="%.1f" y="%d" fill="#fff" font-size="10">%s</text>' % (LEFT + e["ts"] * scale + 3, y + 12, html.escape(label)))
    for i in range(5):
        x = LEFT + i * (WIDTH - 2 * LEFT) / 4
        anchor = ("start", "middle", "middle", "middle", "end")[i]
        out.append('<text x="%.0f" y="%d" text-anchor="%s" fill="#444">%.2f s</text>' % (x, height - 8, anchor, end * i / 4 / 1e6))
    out.append("</svg>")
    print("\n".join(out))


main()
