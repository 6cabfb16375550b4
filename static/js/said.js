// What an alert that comes by the socket says, in the units and by the clock of whoever reads it. Its sentence is made by the server, in
// canonical units and by the clock of UTC.

import { timeOfDay, zoneName } from "./clock.js";
import { inUnits, isReadOtherwise, unitOf } from "./units.js";

const TIME = /\d\d:\d\d:\d\d/g;
const DATED = /\d{4}-\d\d-\d\d/;

/**
 * The server's sentence as a page would show it; null where its numbers or times cannot be put into what this person reads.
 * @param {any} alert the contract's alert
 * @returns {string | null}
 */
export function sentenceOf(alert) {
  if (Object.keys(alert.measures).some(isReadOtherwise)) return null;
  if (zoneName === "UTC") return alert.description;
  const moments = [alert.start_time, alert.opened_at, alert.end_time].filter(Boolean);
  const times = new Map(moments.map((at) => [at.slice(11, 19), timeOfDay(Date.parse(at))]));
  const said = alert.description.match(TIME) ?? [];
  if (DATED.test(alert.description) || said.some((/** @type {string} */ time) => !times.has(time))) return null;
  return alert.description.replace(TIME, (/** @type {string} */ time) => times.get(time) ?? time);
}

/** What it is: `tachycardia at rest`. @param {any} alert the contract's alert */
export const typeOf = (alert) => alert.alert_type.replaceAll("_", " ").toLowerCase();

/** Its sentence, or else what it is, the values that it is about, and since when. @param {any} alert the contract's alert */
export function wordsOf(alert) {
  const sentence = sentenceOf(alert);
  if (sentence !== null) return sentence;
  const ranges = Object.entries(alert.measures).filter(([metric]) => unitOf(metric)).map(([metric, { min, max }]) => {
    const [low, high] = [min, max].map((value) => inUnits(metric, value).toFixed(1));
    return `${low === high ? low : `${low} to ${high}`} ${unitOf(metric)}`;
  });
  return [typeOf(alert), ...ranges, `since ${timeOfDay(Date.parse(alert.start_time))} ${zoneName}`].join(", ");
}
