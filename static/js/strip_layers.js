// What stands behind and over the values of a strip: what is usual, gaps, episodes, limits, notes, the last value.

import { drawShape, faded, haloText, uPlot } from "./chart.js";
import { colour } from "./severity.js";
import { dot } from "./strip_kinds.js";

/** @typedef {import("./strip.js").Content} Content */
/** @typedef {import("./strip.js").Span} Span */

/** What is usual for the hour, behind everything. @param {any} plot @param {Content} content */
export function drawUsual(plot, content) {
  const { band, until } = content;
  plot.ctx.fillStyle = faded(colour("ok"), 0.13);
  band?.at.forEach((at, place) => {
    const [low, high] = [band.low[place], band.high[place]];
    if (low === null || high === null) return;
    const [x, y] = [plot.valToPos(at, "x", true), plot.valToPos(high, "y", true)];
    const end = plot.valToPos(Math.min(band.at[place + 1] ?? until, until), "x", true);
    // whole pixels: between two hours neither a seam nor a darker line
    if (end > x) plot.ctx.fillRect(Math.round(x), y, Math.round(end) - Math.round(x), plot.valToPos(low, "y", true) - y);
  });
}

/** @param {any} plot @param {Span} span */
export function drawSpan(plot, span) {
  const { ctx, bbox } = plot;
  const from = plot.valToPos(span.from, "x", true);
  const to = Math.max(plot.valToPos(span.to, "x", true), from + 2 * uPlot.pxRatio);
  const paint = colour(span.technical ? "text-3" : span.severity);
  const weight = span.severity === "CRITICAL" ? 0.16 : span.severity === "HIGH" ? 0.12 : 0.07;
  ctx.fillStyle = faded(paint, weight);
  ctx.fillRect(from, bbox.top, to - from, bbox.height);
  ctx.fillStyle = paint;
  ctx.fillRect(from, bbox.top, to - from, 2 * uPlot.pxRatio);
  if (to - from > 14 * uPlot.pxRatio && !span.technical) drawShape(plot, span);
}

/** The line again, thicker and in the colour of the episode it runs through. @param {any} plot @param {Content} content */
export function drawInEpisodes(plot, content) {
  const { ctx, bbox } = plot;
  for (const span of content.spans ?? []) {
    if (span.severity === "LOW" || span.severity === "INFO" || span.technical) continue;
    ctx.save();
    ctx.beginPath();
    const from = plot.valToPos(span.from, "x", true);
    ctx.rect(from, bbox.top, Math.max(plot.valToPos(span.to, "x", true) - from, 1), bbox.height);
    ctx.clip();
    ctx.strokeStyle = colour(span.severity);
    ctx.lineWidth = 2.2 * uPlot.pxRatio;
    for (let series = 3; series < plot.series.length; series += 3) {
      const { stroke, clip } = plot.series[series]._paths ?? {};
      if (!stroke) continue;
      ctx.save();
      if (clip) ctx.clip(clip); // the path runs through gaps, too
      ctx.stroke(stroke);
      ctx.restore();
    }
    ctx.restore();
  }
}

/**
 * Limits that lie within [low, high]: dashed where it fires, dotted where it clears, each named on its line.
 * @param {any} plot @param {Content} content @param {[number, number]} range @param {import("./limit_names.js").LimitNames} names
 */
export function drawLimits(plot, content, [low, high], names) {
  const { ctx, bbox } = plot;
  names.begin(plot);
  for (const limit of content.limits ?? []) {
    if (limit.value < low || limit.value > high) continue;
    const y = plot.valToPos(limit.value, "y", true);
    const paint = limit.clears ? colour("text-2") : colour(limit.severity ?? "high");
    ctx.save();
    ctx.strokeStyle = paint;
    ctx.lineWidth = (limit.clears ? 1.5 : 1) * uPlot.pxRatio;
    ctx.setLineDash((limit.clears ? [1.5, 3] : [5, 3]).map((each) => each * uPlot.pxRatio));
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.restore();
    names.write(plot, limit.label, y, paint, limit.clears);
  }
}

/** The moments that notes are about. @param {any} plot @param {number[]} notes */
export function drawNotes(plot, notes) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.strokeStyle = colour("text-2");
  ctx.fillStyle = colour("text-2");
  ctx.lineWidth = uPlot.pxRatio;
  ctx.setLineDash([2 * uPlot.pxRatio, 3 * uPlot.pxRatio]);
  for (const at of notes) {
    const x = Math.round(plot.valToPos(at, "x", true));
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.fillRect(x - 3 * uPlot.pxRatio, bbox.top + bbox.height - 6 * uPlot.pxRatio, 6 * uPlot.pxRatio, 6 * uPlot.pxRatio);
  }
  ctx.restore();
}

/** @param {any} plot @param {{at: number, label: string}} mark */
export function drawMark(plot, mark) {
  const { ctx, bbox } = plot;
  const x = plot.valToPos(mark.at, "x", true);
  if (x < bbox.left || x > bbox.left + bbox.width) return;
  ctx.save();
  ctx.strokeStyle = colour("text-2");
  ctx.lineWidth = 1.5 * uPlot.pxRatio;
  ctx.beginPath();
  ctx.moveTo(x, bbox.top - 12 * uPlot.pxRatio);
  ctx.lineTo(x, bbox.top + 30 * uPlot.pxRatio);
  ctx.stroke();
  ctx.font = `600 ${11 * uPlot.pxRatio}px system-ui, sans-serif`;
  const room = bbox.left + bbox.width - ctx.measureText(mark.label).width - 6 * uPlot.pxRatio;
  ctx.restore();
  // above the plot: in it the words would hide what they are about
  haloText(ctx, mark.label, Math.max(bbox.left, Math.min(x + 6 * uPlot.pxRatio, room)), bbox.top - 7 * uPlot.pxRatio, colour("text"), "left");
}

/** The last value: a dot, and its number at the right end. @param {any} plot @param {Content} content */
export function drawLast(plot, content) {
  const kind = content.kind ?? "line";
  if (kind === "stages") return;
  const ends = content.lines.map((line) => {
    for (let place = line.at.length - 1; place >= 0; place -= 1) {
      if (line.avg[place] !== null) return { at: line.at[place], value: /** @type {number} */ (line.avg[place]), doubt: line.doubts?.[place] };
    }
    return null;
  });
  const first = ends[0];
  if (!first || first.at > (plot.scales.x.max ?? 0)) return;
  const text = ends.map((end) => end?.value.toFixed(content.decimals ?? 0)).join("/");
  const span = (content.spans ?? []).find((each) => first.at >= each.from && first.at <= each.to + 1 && !each.technical);
  const paint = kind === "line" && span && span.severity !== "LOW" ? colour(span.severity) : colour("text");
  if (kind === "line") for (const end of ends) if (end) dot(plot, end.at, end.value, 2.4, end.doubt ? colour("surface-1") : paint, paint);
  const x = plot.bbox.left + plot.bbox.width + 8 * uPlot.pxRatio;
  haloText(plot.ctx, text, x, plot.valToPos(first.value, "y", true), paint);
}

/**
 * Stretches without a value that are longer than `after` seconds; `index` is that of the point behind it.
 * @param {number[]} at @param {number} after
 */
export function gapsOf(at, after) {
  const gaps = [];
  for (let index = 1; index < at.length; index += 1) {
    if (at[index] - at[index - 1] > after) gaps.push({ index, from: at[index - 1], to: at[index] });
  }
  return gaps;
}

/** @param {any} plot @param {number} from @param {number} to */
export function hatch(plot, from, to) {
  const { ctx, bbox } = plot;
  const [x, end] = [plot.valToPos(from, "x", true), plot.valToPos(to, "x", true)];
  ctx.save();
  ctx.beginPath();
  ctx.rect(x, bbox.top, end - x, bbox.height);
  ctx.clip();
  ctx.strokeStyle = colour("line");
  ctx.lineWidth = uPlot.pxRatio;
  const step = 6 * uPlot.pxRatio;
  ctx.beginPath();
  for (let start = x - bbox.height; start < end; start += step) {
    ctx.moveTo(start, bbox.top + bbox.height);
    ctx.lineTo(start + bbox.height, bbox.top);
  }
  ctx.stroke();
  ctx.restore();
  if (end - x > 70 * uPlot.pxRatio) haloText(plot.ctx, `no data ${lengthOf(to - from)}`, (x + end) / 2, bbox.top + 10 * uPlot.pxRatio, colour("text-2"), "center");
}

/** @param {number} seconds */
function lengthOf(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} m`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`;
}
