// The lines of a rolling chart: what they show at a moment, at last, in words, and on one axis.

import { uPlot } from "./chart.js";

/** One person's; times in ms. A stretch without a value that is longer than `gapMs` is a gap. */
/** @typedef {{id: string, short: string, name: string, t: number[], values: (number | null)[], doubtful: boolean[], gapMs: number}} Line */

/** What a line shows at a moment (ms); null inside a gap, and before and after it. @param {Line} line @param {number} at */
export function valueAt(line, at) {
  let [before, after] = [-1, -1];
  line.t.forEach((t, i) => {
    if (line.values[i] === null) return;
    if (t <= at) before = i;
    else if (after < 0) after = i;
  });
  if (before < 0) return null;
  const near = after >= 0 && line.t[after] - line.t[before] > line.gapMs ? -1 : before;
  return near < 0 ? null : line.values[near];
}

/** @param {Line} line */
export const lastOf = (line) => line.values.findLast((value) => value !== null) ?? null;

/** The lines on one x axis, in seconds; a null stands where a line has a gap. @param {Line[]} lines @param {number} at */
export function joined(lines, at) {
  if (!lines.length) return [[at / 1000]];
  const tables = lines.map((line) => {
    /** @type {number[]} */
    const xs = [];
    /** @type {(number | null)[]} */
    const ys = [];
    let before = NaN;
    line.t.forEach((t, i) => {
      if (line.values[i] === null) return;
      if (t - before > line.gapMs) {
        xs.push((before + 1) / 1000);
        ys.push(null);
      }
      xs.push(t / 1000);
      ys.push(line.values[i]);
      before = t;
    });
    return /** @type {any} */ ([xs, ys]);
  });
  return uPlot.join(tables, tables.map((table) => table.map(() => 2)));
}

/** A line as a sentence. @param {Line} line @param {number} decimals */
export function inWords(line, decimals) {
  const values = /** @type {number[]} */ (line.values.filter((v) => v !== null));
  if (!values.length) return `${line.name}: not measured`;
  const gaps = line.t.filter((t, i) => i > 0 && t - line.t[i - 1] > line.gapMs).length;
  const doubts = line.doubtful.filter((each, i) => each && line.values[i] !== null).length;
  const show = (/** @type {number} */ v) => v.toFixed(decimals);
  const said = `latest ${show(values[values.length - 1])}, lowest ${show(Math.min(...values))}, highest ${show(Math.max(...values))}`;
  return `${line.name}: ${said}${gaps ? `, ${gaps} gaps` : ""}${doubts ? `, ${doubts} in doubt` : ""}`;
}
