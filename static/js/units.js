// Values of events are in canonical units; this person may read others.

/** @type {Record<string, [number, number, string]>} by metric: factor, zero and how the unit is written */
const conversions = JSON.parse(document.documentElement.dataset.units || "{}");

/** Whether a measure of an alert is of a metric that this person reads in another unit. @param {string} measure `body_temp_c`, `body_temp_c_rate` */
export const isReadOtherwise = (measure) => Object.keys(conversions).some((metric) => measure.includes(metric));

/** That unit; empty where it is the metric's own, or of something derived. @param {string} metric */
export const unitOf = (metric) => conversions[metric]?.[2] ?? "";

/** A value of an event as this person reads it. @param {string} metric @param {number} value */
export function inUnits(metric, value) {
  const [factor, zero] = conversions[metric] ?? [1, 0];
  return value * factor + zero;
}
