// Which alert is told of by a tone: one that is new, one that turned loud, one whose snooze is over; none under a snooze
// of its own kind, as alerts/hushing.py says. What stands is read from /alerts/known/: it hangs on no row of the page.

import { rank } from "./severity.js";

/** What the page knows of an alert: `like` is whose it is, its type and its class; `covered`: it is under the
 *  snooze of another one; `told`: it had its tone here.
 *  @typedef {{revision: number, fires: boolean, status: string, quiet: boolean, severity: string, like: string, covered: boolean, told: boolean}} Known */
/** @type {Map<string, Known>} */
const known = new Map();
/** Of severities of a lower rank all are known; of none before they were read. */
let complete = 0;
const SILENT = rank("LOW");
const PATIENCE_MS = 5000; // what is pushed meanwhile waits no longer than this for its tone

/** @param {any} alert fields of the contract's alert @param {boolean} [told] @returns {Known} */
const noted = (alert, told = false) => ({
  revision: alert.revision, fires: alert.episode === "firing", status: alert.status, quiet: alert.quiet, severity: alert.severity,
  like: `${alert.user_id ?? ""} ${alert.alert_type} ${alert.class}`, covered: false, told,
});

/** Whether a CRITICAL of the body fires that nobody looks after. */
export const criticalWaits = () =>
  [...known.values()].some(({ fires, status, severity, like }) => fires && status === "new" && severity === "CRITICAL" && like.endsWith(" clinical"));

/** Reads what stands; gives what has come to call since it was read before, worst first. */
export async function readKnown() {
  const response = await fetch("/alerts/known/", { signal: AbortSignal.timeout(PATIENCE_MS) });
  if (!response.ok || response.redirected) throw new Error(`known alerts: ${response.status}`);
  const { alerts, complete: isAll } = await response.json();
  const before = new Map(known);
  known.clear();
  for (const alert of alerts) known.set(alert.alert_id, noted(alert, before.get(alert.alert_id)?.told));
  for (const [id, alert] of known) alert.covered = isCovered(id, alert);
  const came = alerts.filter((/** @type {any} */ { alert_id: id, severity }) => {
    const was = before.get(id);
    return (was ? isHushed(was) : rank(severity) < complete) && calls(id);
  });
  complete = isAll ? SILENT : rank(alerts.at(-1).severity);
  return came;
}

/** Takes note of an alert, and says whether it is to be told of now. @param {any} alert the contract's alert */
export function isToBeTold(alert) {
  const was = known.get(alert.alert_id);
  const wasHushed = was !== undefined && isHushed(was);
  const is = was && alert.revision < was.revision ? was : noted(alert, was?.told);
  known.set(alert.alert_id, is);
  is.covered = isCovered(alert.alert_id, is);
  const isNews = alert.revision === 1 ? !was?.told : wasHushed;
  const isTold = isNews && calls(alert.alert_id);
  if (alert.episode !== "firing" && alert.status !== "snoozed") known.delete(alert.alert_id);
  return isTold;
}

/** @param {Known} was */
const isHushed = (was) => was.quiet || was.status === "snoozed" || was.covered;

/** Whether somebody is to be told of it, and if so, notes that they are. @param {string} id */
function calls(id) {
  const alert = known.get(id);
  if (!alert?.fires || alert.status !== "new" || alert.quiet || rank(alert.severity) >= SILENT || alert.covered) return false;
  alert.told = true;
  return true;
}

/** @param {string} id @param {Known} alert */
const isCovered = (id, alert) =>
  [...known].some(([other, { status, severity, like }]) =>
    other !== id && status === "snoozed" && like === alert.like && rank(severity) <= rank(alert.severity));
