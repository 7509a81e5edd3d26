#!/usr/bin/env python3
"""Draws docs/latency.svg from the output of `cargo run --release --example latency -- --csv` (stdin)."""

import csv
import sys

WIDTH, HEIGHT, TOP, BOTTOM, PANEL, GAP = 780, 340, 60, 50, 220, 30
COLOURS = ["#0060c0", "#208040", "#a06000", "#c03020"]
PANELS = [("create_ms", "create"), ("join_ms", "join"), ("remove_ms", "removal, until all follow")]

rows = list(csv.DictReader(sys.stdin))
settings = list(dict.fromkeys(r["setting"] for r in rows))
rtts = sorted({int(r["rtt_ms"]) for r in rows})
most = max(float(r[name]) for r in rows for name, _ in PANELS)
step = next(s for s in (50, 100, 200, 250, 500, 1000) if most / s <= 9)
top = step * (int(most / step) + 1)


def y(v):
    return HEIGHT - BOTTOM - v / top * (HEIGHT - TOP - BOTTOM)


out = [
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
    f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
]
for i, (name, title) in enumerate(PANELS):
    left = 55 + i * (PANEL + GAP)

    def x(rtt):
        return left + rtt / max(rtts) * PANEL

    out.append(f'<text x="{left + PANEL / 2}" y="{TOP - 12}" text-anchor="middle">{title}</text>')
    for tick in range(0, top + 1, step):
        out.append(f'<line x1="{left}" y1="{y(tick):.1f}" x2="{left + PANEL}" y2="{y(tick):.1f}" stroke="#ddd"/>')
        if i == 0:
            out.append(f'<text x="{left - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:,} ms</text>')
    for rtt in rtts:
        out.append(f'<text x="{x(rtt):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{rtt}</text>')
    for setting, colour in zip(settings, COLOURS):
        points = [(int(r["rtt_ms"]), float(r[name])) for r in rows if r["setting"] == setting]
        path = " ".join(f"{x(n):.1f},{y(v):.1f}" for n, v in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
for i, (setting, colour) in enumerate(zip(settings, COLOURS)):
    at = 55 + i * 180
    out.append(f'<line x1="{at}" y1="20" x2="{at + 24}" y2="20" stroke="{colour}" stroke-width="2"/>')
    out.append(f'<text x="{at + 29}" y="24">{setting}</text>')
out.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 12}" text-anchor="middle">round trip, ms</text>')
out.append("</svg>")
print("\n".join(out))
