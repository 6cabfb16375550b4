// Whether this page heard of every change of alerts: the server's `alerts_revision` is the sum of the revisions of the open and
// lately changed alerts this person may see. The page keeps the same sum from /alerts/known/ and from the alert frames;
// when the two have differed for 2 s, a push may have been missed, and what stands is read again.

/** @typedef {{sum: number, known: Record<string, number>, changed_at: string | null}} Revision
 *   `known`: revisions by alert id; `changed_at`: when the last of them changed */

const PATIENCE_MS = 2000;
/** All that changed until then is on the page as the server made it; what was under way might not have been seen. */
const drawnAt = Number(document.documentElement.dataset.serverTime) - 10_000;

/**
 * @param {import("./live.js").Live} live
 * @param {() => Promise<void> | void} onDiffers reads what stands and calls `take` with its revision
 */
export function watchRevision(live, onDiffers) {
  /** @type {Revision} */
  let mine = { sum: 0, known: {}, changed_at: null };
  let isTaken = false;
  let differsSince = 0;

  live.addEventListener("alert", (event) => {
    const { alert_id: id, revision } = /** @type {CustomEvent} */ (event).detail;
    const before = mine.known[id] ?? 0;
    if (revision <= before) return;
    mine.sum += revision - before;
    mine.known[id] = revision;
  });
  live.addEventListener("status", (event) => {
    const { alerts_revision: theirs } = /** @type {CustomEvent} */ (event).detail;
    if (!isTaken || theirs === null || theirs === mine.sum) {
      differsSince = 0;
    } else if (!differsSince) {
      differsSince = performance.now();
    } else if (performance.now() - differsSince >= PATIENCE_MS - 200) {
      differsSince = 0;
      onDiffers();
    }
  });

  return {
    /**
     * Takes over what stands; gives whether this page had not heard of some of it. What left the sum was not missed.
     * @param {Revision} theirs just read
     */
    take(theirs) {
      const { known } = mine;
      const isNewer = Object.entries(theirs.known).some(([id, revision]) => revision > (known[id] ?? 0));
      const isMissed = isTaken ? isNewer : Date.parse(theirs.changed_at ?? "") > drawnAt;
      mine = { ...theirs, known: { ...theirs.known } };
      isTaken = true;
      differsSince = 0;
      return isMissed;
    },
  };
}
