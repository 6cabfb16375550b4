// Which alert is told of by a tone: one that is new, one that turned loud, one whose snooze ran out; none under a snooze
// of its own kind, as alerts/hushing.py says.

import { rank } from "./severity.js";

/** What the page knows of an alert: `like` is whose it is, its type and its class.
 *  @typedef {{fires: boolean, status: string, quiet: boolean, severity: string, like: string}} Known */
/** @type {Map<string, Known>} */
const known = new Map();

/** Those that stand on the page as it came: `<* data-alert data-like="user type class" data-severity data-state>`. */
export function knowShown() {
  for (const shown of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-alert][data-like]"))) {
    const { alert = "", like = "", severity = "", state = "", quiet } = shown.dataset;
    const [episode, status = ""] = state.split(" ");
    known.set(alert, { fires: episode === "firing", status, quiet: quiet !== undefined, severity, like });
  }
}

/** @param {any} alert the contract's alert */
const likeOf = (alert) => `${alert.user_id ?? ""} ${alert.alert_type} ${alert.class}`;

/** Whether a CRITICAL of the body fires that nobody looks after, as far as this page knows. */
export const criticalWaits = () =>
  [...known.values()].some(({ fires, status, severity, like }) => fires && status === "new" && severity === "CRITICAL" && like.endsWith(" clinical"));

/** Takes note of an alert, and says whether it is to be told of now. @param {any} alert the contract's alert */
export function isToBeTold(alert) {
  const was = known.get(alert.alert_id);
  const like = likeOf(alert);
  known.set(alert.alert_id, { fires: alert.episode === "firing", status: alert.status, quiet: alert.quiet, severity: alert.severity, like });
  if (alert.episode !== "firing") {
    if (alert.status !== "snoozed") known.delete(alert.alert_id);
    return false;
  }
  if (alert.status !== "new" || alert.quiet || rank(alert.severity) >= rank("LOW")) return false;
  const isNews = was ? was.quiet || was.status === "snoozed" : alert.revision === 1;
  return isNews && !isCovered(alert, like);
}

/** @param {any} alert @param {string} like */
const isCovered = (alert, like) =>
  [...known].some(([id, { status, severity, like: of }]) =>
    id !== alert.alert_id && status === "snoozed" && of === like && rank(severity) <= rank(alert.severity));
