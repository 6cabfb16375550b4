// What people's values were in the last minutes: a row of times a person, and beside it a row of values a metric.

import { now } from "./clock.js";

export const WINDOW_MS = 5 * 60_000;
/** A heart alone is drawn no oftener than this. */
const APART_MS = 4000;

/** @typedef {{t: number[]} & Record<string, (number | null)[]>} Points */

/** @param {Points} known @returns {string[]} what is there beside the times */
const namesOf = (known) => Object.keys(known).filter((name) => name !== "t");

/** Adds what is newer than all there is, and lets go of what has left the window. @param {Points} known @param {number} at @param {Record<string, number>} values */
export function addPoint(known, at, values) {
  if (at <= (known.t.at(-1) ?? 0)) return;
  const names = namesOf(known);
  if (names.length === 1 && (values.heart_rate === undefined || at - (known.t.at(-1) ?? 0) < APART_MS)) return;
  known.t.push(at);
  for (const name of names) known[name].push(values[name] ?? null);
  while (known.t.length && known.t[0] < now() - WINDOW_MS - 10_000) {
    known.t.shift();
    for (const name of names) known[name].shift();
  }
}

/** What came by the socket while the snapshot was read is not lost. @param {Points} old @param {Points | undefined} fresh */
export function keepNewer(old, fresh) {
  if (!fresh) return;
  const newest = fresh.t.at(-1) ?? 0;
  old.t.forEach((t, i) => {
    if (t <= newest) return;
    fresh.t.push(t);
    for (const name of namesOf(fresh)) fresh[name].push(old[name]?.[i] ?? null);
  });
}

/** A gap is three cadences of the metric itself: the temperature speaks less often than the heart. @param {string} metric @param {number} cadence in seconds @param {Points} known */
export function gapOf(metric, cadence, known) {
  const times = known.t.filter((_, i) => known[metric]?.[i] !== null && known[metric]?.[i] !== undefined);
  const steps = times.slice(1).map((t, i) => t - times[i]).sort((a, b) => a - b);
  const usual = steps.length ? steps[Math.floor(steps.length / 2)] : 0;
  return 3 * Math.max(cadence * 1000, usual);
}

/** The heart within the window, as far apart as a small line needs it. @param {Points} known @returns {{times: number[], rates: number[]}} */
export function heartOf(known) {
  const since = now() - WINDOW_MS;
  /** @type {{times: number[], rates: number[]}} */
  const heard = { times: [], rates: [] };
  known.t.forEach((t, i) => {
    const rate = known.heart_rate[i];
    if (rate === null || t < since || t - (heard.times.at(-1) ?? 0) < APART_MS) return;
    heard.times.push(t);
    heard.rates.push(rate);
  });
  return heard;
}
