// What a strip draws of its values: dots, bars, pairs, blocks; and hollow ends where nothing came.

import { uPlot } from "./chart.js";
import { colour } from "./severity.js";

/** @typedef {import("./strip.js").Content} Content */
/** @typedef {import("./strip.js").Gap} Gap */

const STAGES = ["awake", "rem", "light", "deep"];

/** Dots: readings that fired, hollow where in doubt, open ends at gaps. @param {any} plot @param {Content} content @param {Gap[]} gaps */
export function drawPoints(plot, content, gaps) {
  const { ctx } = plot;
  const paint = colour(content.spans?.[0]?.severity ?? "data");
  const hits = content.lines[0]?.hits?.filter(Boolean).length ?? 0;
  const radius = Math.max(1, Math.min(3, plot.bbox.width / uPlot.pxRatio / hits / 2));
  for (const line of content.lines) {
    line.at.forEach((at, place) => {
      const value = line.avg[place];
      if (value === null) return;
      const doubt = line.doubts?.[place];
      if (line.hits?.[place]) dot(plot, at, value, doubt ? Math.max(radius, 2.4) : radius, doubt ? colour("surface-1") : paint, paint);
      else if (doubt) dot(plot, at, value, 2.4, colour("surface-1"), colour("data"));
      else if (line.at.length === 1 || standsAlone(place, content, gaps)) dot(plot, at, value, 1.6, colour("data"), colour("data"));
    });
  }
  for (const gap of gaps) {
    for (const line of content.lines) {
      for (const [at, value] of /** @type {[number, number | null][]} */ ([[gap.from, line.avg[gap.index - 1]], [gap.to, line.avg[gap.index]]])) {
        if (value !== null && value !== undefined) dot(plot, at, value, 2.2, colour("surface-1"), colour("data"));
      }
    }
  }
  ctx.setLineDash([]);
}

/** @param {number} place @param {Content} content @param {Gap[]} gaps */
function standsAlone(place, content, gaps) {
  const ends = gaps.map((gap) => gap.index);
  return (place === 0 || ends.includes(place)) && (place === content.lines[0].at.length - 1 || ends.includes(place + 1));
}

/** Bars from `low`, the lower end of the axis. @param {any} plot @param {Content} content @param {number} low */
export function drawBars(plot, content, low) {
  const { ctx } = plot;
  const line = content.lines[0];
  if (!line) return;
  ctx.fillStyle = colour("data-quiet");
  const floor = plot.valToPos(low, "y", true);
  const width = Math.max(1, Math.min(4, (plot.bbox.width / Math.max(line.at.length, 60)) * 0.7));
  line.at.forEach((at, place) => {
    const value = line.avg[place];
    if (!value) return;
    const top = plot.valToPos(value, "y", true);
    ctx.fillRect(plot.valToPos(at, "x", true) - width / 2, top, width, floor - top);
  });
}

/** A bar from the second line to the first: diastolic to systolic; hollow where in doubt. @param {any} plot @param {Content} content */
export function drawPairs(plot, content) {
  const { ctx } = plot;
  const [high, low] = content.lines;
  if (!high || !low) return;
  const width = 4 * uPlot.pxRatio;
  high.at.forEach((at, place) => {
    const [top, bottom] = [high.avg[place], low.avg[place]];
    if (top === null || bottom === null || bottom === undefined) return;
    const span = (content.spans ?? []).find((each) => at >= each.from - 1 && at <= each.to + 1 && !each.technical);
    const paint = colour(span ? span.severity : "data");
    const [x, y] = [plot.valToPos(at, "x", true) - width / 2, plot.valToPos(top, "y", true)];
    const height = Math.max(plot.valToPos(bottom, "y", true) - y, 1);
    ctx.fillStyle = high.doubts?.[place] ? colour("surface-1") : paint;
    ctx.strokeStyle = paint;
    ctx.lineWidth = uPlot.pxRatio;
    ctx.fillRect(x, y, width, height);
    if (high.doubts?.[place]) ctx.strokeRect(x, y, width, height);
  });
}

/** A strip of blocks: from the top awake, REM, light, deep. @param {any} plot @param {Content} content */
export function drawStages(plot, content) {
  const { ctx, bbox } = plot;
  const line = content.lines[0];
  const row = bbox.height / STAGES.length;
  const paints = { awake: colour("surface-3"), rem: colour("sleep-rem"), light: colour("sleep-light"), deep: colour("sleep-deep") };
  const usual = line && line.at.length > 1 ? content.gapAfter / 3 : 60;
  line?.at.forEach((at, place) => {
    const stage = content.stages?.[place] ?? "";
    const level = STAGES.indexOf(stage);
    if (level < 0) return;
    const next = line.at[place + 1];
    const until = next !== undefined && next - at <= content.gapAfter ? next : at + usual;
    const from = plot.valToPos(at, "x", true);
    ctx.fillStyle = paints[/** @type {keyof typeof paints} */ (stage)];
    ctx.fillRect(from, bbox.top + level * row, Math.max(plot.valToPos(until, "x", true) - from, 1), row - 1);
  });
}

/** @param {any} plot @param {number} at @param {number} value @param {number} radius @param {string} fill @param {string} stroke */
export function dot(plot, at, value, radius, fill, stroke) {
  const { ctx } = plot;
  ctx.beginPath();
  ctx.arc(plot.valToPos(at, "x", true), plot.valToPos(value, "y", true), radius * uPlot.pxRatio, 0, 2 * Math.PI);
  ctx.fillStyle = fill;
  ctx.strokeStyle = stroke;
  ctx.lineWidth = 1.2 * uPlot.pxRatio;
  ctx.fill();
  ctx.stroke();
}
