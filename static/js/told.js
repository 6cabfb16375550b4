// Which alert is told of by a tone: one that is new, one that turned loud, one whose snooze is over; none under a snooze
// of its own kind, as alerts/hushing.py says. What stands is read from /alerts/known/: it hangs on no row of the page.

import { now } from "./clock.js";
import { rank } from "./severity.js";

/** What the page knows of an alert: `like` is whose it is, its type and its class; `covered`: it is under the
 *  snooze of another one.
 *  @typedef {{revision: number, fires: boolean, status: string, quiet: boolean, severity: string, like: string, covered: boolean}} Known */
const SILENT = rank("LOW");
const PATIENCE_MS = 5000; // what is pushed meanwhile waits no longer than this for its tone
const KEPT = "telara.known";
/** What the page before this one knew in this tab: what came since is told of here. */
const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? '{"known": [], "told": [], "complete": 0, "readAt": 0}');
/** @type {Map<string, Known>} */
const known = new Map(kept.known);
/** The ids of those that had their tone here. @type {Set<string>} */
const told = new Set(kept.told);
/** Of severities of a lower rank all are known; of none before they were read. @type {number} */
let complete = kept.complete;
/** When what stands was read last; what opened later was never read. @type {number} */
let readAt = kept.readAt;

/** @param {any} alert fields of the contract's alert @returns {Known} */
const noted = (alert) => ({
  revision: alert.revision, fires: alert.episode === "firing", status: alert.status, quiet: alert.quiet, severity: alert.severity,
  like: `${alert.user_id ?? ""} ${alert.alert_type} ${alert.class}`, covered: false,
});

/** Leaves what is known to the next page of this tab. */
export const keepKnown = () => sessionStorage.setItem(KEPT, JSON.stringify({ known: [...known], told: [...told], complete, readAt }));

/** Whoever signs in next knows of other people. */
export const forgetKnown = () => sessionStorage.removeItem(KEPT);

/** Whether a CRITICAL of the body fires that nobody looks after. */
export const criticalWaits = () =>
  [...known.values()].some(({ fires, status, severity, like }) => fires && status === "new" && severity === "CRITICAL" && like.endsWith(" clinical"));

/** Reads what stands; gives what has `came` to call since it was read before, worst first, and the revision of it all. */
export async function readKnown() {
  const at = now();
  const response = await fetch("/alerts/known/", { signal: AbortSignal.timeout(PATIENCE_MS) });
  if (!response.ok || response.redirected) throw new Error(`known alerts: ${response.status}`);
  const { alerts, complete: isAll, revision } = await response.json();
  const before = new Map(known);
  known.clear();
  for (const alert of alerts) known.set(alert.alert_id, noted(alert));
  for (const [id, alert] of known) alert.covered = isCovered(id, alert);
  const came = alerts.filter((/** @type {any} */ { alert_id: id, severity }) => {
    const was = before.get(id);
    return (was ? isHushed(was) : rank(severity) < complete && !told.has(id)) && calls(id);
  });
  complete = isAll ? SILENT : rank(alerts.at(-1).severity);
  readAt = at;
  return { came, revision };
}

/** Takes note of an alert, and says whether it is to be told of now. @param {any} alert the contract's alert */
export function isToBeTold(alert) {
  const was = known.get(alert.alert_id);
  const wasHushed = was !== undefined && isHushed(was);
  const is = was && alert.revision < was.revision ? was : noted(alert);
  known.set(alert.alert_id, is);
  is.covered = isCovered(alert.alert_id, is);
  const isUnread = !was && readAt > 0 && Date.parse(alert.opened_at) >= readAt; // its first push was missed
  const isFirst = alert.revision === 1 || isUnread;
  const isNews = isFirst ? !told.has(alert.alert_id) : wasHushed;
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
  told.add(id);
  return true;
}

/** @param {string} id @param {Known} alert */
const isCovered = (id, alert) =>
  [...known].some(([other, { status, severity, like }]) =>
    other !== id && status === "snoozed" && like === alert.like && rank(severity) <= rank(alert.severity));
