// Whether the alerts a page shows are those of the database: the server's `alerts_revision` is the sum of the revisions
// of the open and lately changed alerts this person may see. The page keeps the same sum from its snapshot and from the
// alert frames; when the two have differed for 2 s, a push was missed and the snapshot is read again.

/** @typedef {{sum: number, known: Record<string, number>}} Revision `known`: revisions by alert id */

const PATIENCE_MS = 2000;

/**
 * @param {import("./live.js").Live} live
 * @param {() => Promise<void> | void} onStale reads the snapshot again and calls `take` with its revision
 */
export function watchRevision(live, onStale) {
  /** @type {Revision} */
  let mine = { sum: 0, known: {} };
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
    if (theirs === null || theirs === mine.sum) {
      differsSince = 0;
    } else if (!differsSince) {
      differsSince = performance.now();
    } else if (performance.now() - differsSince >= PATIENCE_MS - 200) {
      differsSince = 0;
      onStale();
    }
  });

  return {
    /** @param {Revision} revision of a snapshot just read */
    take(revision) {
      mine = { sum: revision.sum, known: { ...revision.known } };
      differsSince = 0;
    },
  };
}
