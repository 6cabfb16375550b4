// What the charts share: uPlot with the theme's colours, and the drawing of episodes, limits, gaps and line ends.

import uPlot from "../vendor/uplot/uPlot.esm.js";
import { haloText } from "./limit_names.js";
import { colour, shape } from "./severity.js";

/** @typedef {{metric: string, value: number, label: string, severity: string}} Threshold */
/** @typedef {{from: number, to: number, severity: string, rows: number}} Span in seconds since the epoch */

export { haloText, uPlot };

/** A colour with an opacity of 0 to 1. @param {string} hex @param {number} opacity */
export function faded(hex, opacity) {
  const part = (/** @type {number} */ at) => Number.parseInt(hex.slice(at, at + 2), 16);
  return `rgb(${part(1)} ${part(3)} ${part(5)} / ${opacity})`;
}

/** How strongly an episode is shaded. */
const OPACITY = /** @type {Record<string, number>} */ ({ CRITICAL: 0.16, HIGH: 0.12, MEDIUM: 0.07, LOW: 0.07, INFO: 0.07 });

/** A severity's colour on the canvas, grey when what it says may be out of date. @param {string} severity @param {boolean} grey */
export const severityColour = (severity, grey) => colour(grey ? "text-3" : severity);

/**
 * Shades an episode: a span with a 2 px top edge.
 * @param {uPlot} u @param {{from: number, to: number, severity: string}} span @param {boolean} [grey]
 */
export function drawEpisode(u, span, grey = false) {
  const { ctx, bbox } = u;
  const left = Math.max(bbox.left, u.valToPos(span.from, "x", true));
  const right = Math.min(bbox.left + bbox.width, u.valToPos(span.to, "x", true));
  if (right <= left) return;
  const paint = severityColour(span.severity, grey);
  ctx.save();
  ctx.fillStyle = faded(paint, OPACITY[span.severity] ?? 0.07);
  ctx.fillRect(left, bbox.top, right - left, bbox.height);
  ctx.fillStyle = paint;
  ctx.fillRect(left, bbox.top, right - left, 2 * devicePixelRatio);
  ctx.restore();
}

const PATHS = /** @type {Record<string, string>} */ ({
  CRITICAL: "M4.1 0h5.8L14 4.1v5.8L9.9 14H4.1L0 9.9V4.1z",
  HIGH: "M7 1l6.6 12H.4z",
  MEDIUM: "M7 .2L13.8 7 7 13.8.2 7z",
});

/** The shape of the severity at the start of its span. @param {uPlot} u @param {{from: number, severity: string}} span @param {boolean} [grey] */
export function drawShape(u, span, grey = false) {
  const path = PATHS[span.severity];
  if (!path) return;
  const { ctx, bbox } = u;
  const dpr = devicePixelRatio;
  ctx.save();
  ctx.translate(Math.max(bbox.left, u.valToPos(span.from, "x", true)) + 4 * dpr, bbox.top + 6 * dpr);
  ctx.scale(0.78 * dpr, 0.78 * dpr);
  ctx.fillStyle = severityColour(span.severity, grey);
  ctx.fill(new Path2D(path));
  ctx.restore();
}

/** A limit: dashed, and named. @param {uPlot} u @param {Threshold} threshold @param {import("./limit_names.js").LimitNames} names @param {boolean} [grey] */
export function drawThreshold(u, threshold, names, grey = false) {
  const { ctx, bbox } = u;
  const dpr = devicePixelRatio;
  const y = u.valToPos(threshold.value, "y", true);
  if (y < bbox.top || y > bbox.top + bbox.height) return;
  const paint = severityColour(threshold.severity, grey);
  ctx.save();
  ctx.strokeStyle = paint;
  ctx.lineWidth = dpr;
  ctx.setLineDash([5 * dpr, 3 * dpr]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.restore();
  names.write(u, threshold.label, y, paint);
}

/**
 * Draws a piece of a line again, thicker and in another colour; nulls are gaps.
 * @param {uPlot} u @param {number[]} xs @param {(number | null)[]} ys @param {number} from @param {number} to
 * @param {string} paint @param {number} [width]
 */
export function drawPiece(u, xs, ys, from, to, paint, width = 2.2) {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip(); // what began before the chart does is not drawn over its axis
  ctx.strokeStyle = paint;
  ctx.lineWidth = width * devicePixelRatio;
  ctx.lineJoin = "round";
  ctx.beginPath();
  let joined = false;
  for (let i = 0; i < xs.length; i += 1) {
    const y = ys[i];
    if (y === undefined) continue;
    if (y === null || xs[i] < from || xs[i] > to) {
      joined = false;
      continue;
    }
    const px = u.valToPos(xs[i], "x", true);
    const py = u.valToPos(y, "y", true);
    if (joined) ctx.lineTo(px, py);
    else ctx.moveTo(px, py);
    joined = true;
  }
  ctx.stroke();
  ctx.restore();
}

/** A dot: filled for the last value, open at the end of a gap. @param {uPlot} u @param {number} x @param {number} y @param {string} paint @param {boolean} [open] */
export function drawDot(u, x, y, paint, open = false) {
  const { ctx, bbox } = u;
  const px = u.valToPos(x, "x", true);
  if (px < bbox.left) return;
  ctx.save();
  ctx.beginPath();
  ctx.arc(px, u.valToPos(y, "y", true), (open ? 2 : 2.4) * devicePixelRatio, 0, 2 * Math.PI);
  ctx.fillStyle = open ? colour("surface-1") : paint;
  ctx.fill();
  ctx.strokeStyle = paint;
  ctx.lineWidth = devicePixelRatio;
  if (open) ctx.stroke();
  ctx.restore();
}

/** The way from a line's last value to its name `px` right of the plot, at the height `to`. @param {uPlot} u @param {{x: number, y: number}} last @param {number} to @param {number} px @param {string} paint */
export function drawLead(u, last, to, px, paint) {
  const { ctx, bbox } = u;
  const from = { x: Math.max(bbox.left, u.valToPos(last.x, "x", true)) + 4 * devicePixelRatio, y: u.valToPos(last.y, "y", true) };
  const end = { x: bbox.left + bbox.width + px * devicePixelRatio, y: to * devicePixelRatio };
  const middle = (from.x + end.x) / 2;
  ctx.save();
  ctx.strokeStyle = paint;
  ctx.globalAlpha = 0.7;
  ctx.lineWidth = devicePixelRatio;
  ctx.beginPath();
  ctx.moveTo(from.x, from.y);
  ctx.bezierCurveTo(middle, from.y, middle, end.y, end.x, end.y);
  ctx.stroke();
  ctx.restore();
}

/** A hatched span: nothing came. @param {uPlot} u @param {number} from @param {number} to */
export function drawHatch(u, from, to) {
  const { ctx, bbox } = u;
  const left = Math.max(bbox.left, u.valToPos(from, "x", true));
  const right = Math.min(bbox.left + bbox.width, u.valToPos(to, "x", true));
  if (right <= left) return;
  const step = 6 * devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, bbox.top, right - left, bbox.height);
  ctx.clip();
  ctx.strokeStyle = colour("line");
  ctx.lineWidth = devicePixelRatio;
  ctx.beginPath();
  for (let x = left - bbox.height; x < right; x += step) {
    ctx.moveTo(x, bbox.top + bbox.height);
    ctx.lineTo(x + bbox.height, bbox.top);
  }
  ctx.stroke();
  ctx.restore();
}

/** A range that is fixed unless a value lies outside; then it grows by whole steps. @param {[number, number]} axis @param {number[]} values */
export function rangeFor(axis, values) {
  const step = (axis[1] - axis[0]) / 5;
  let [low, high] = axis;
  for (const value of values) {
    while (value > high) high += step;
    while (value < low) low -= step;
  }
  return /** @type {[number, number]} */ ([low, high]);
}

export { shape };
