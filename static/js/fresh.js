// A page read again: one copy at a time, and none waited for without end.

const PATIENCE_MS = 15_000; // a network that hangs gives no answer, and no error either
const CLICK_MS = 100; // its click comes that soon after a press
const PRESS_MS = 2000; // who presses longer does not click, and of some presses no end is told
let pressedAt = -Infinity;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let releasing;

addEventListener("pointerdown", () => {
  clearTimeout(releasing);
  pressedAt = performance.now();
}, { capture: true, passive: true });
for (const name of ["pointerup", "pointercancel"]) {
  addEventListener(name, () => {
    releasing = setTimeout(() => (pressedAt = -Infinity), CLICK_MS);
  }, { capture: true, passive: true });
}

/** Until nothing is pressed: a click is lost where what the press began on is replaced before it ends. */
async function released() {
  while (performance.now() - pressedAt < PRESS_MS) await new Promise((done) => setTimeout(done, 20));
}

/**
 * What a page now shows, once nothing on it is pressed. Raises an error where it is refused, leads elsewhere (signed out), or does not come in time.
 * Where its reader chose other units or another clock since this page was made, all of it is read anew and there is no
 * copy: values that come live would stand in one unit beside the other.
 * @param {string} [address]
 * @returns {Promise<Document>}
 */
export async function freshCopy(address = location.href) {
  const response = await fetch(address, { headers: { "HX-Request": "true" }, signal: AbortSignal.timeout(PATIENCE_MS) });
  if (!response.ok || response.redirected) throw new Error(`${address}: ${response.status}`);
  const reader = response.headers.get("Telara-Reader");
  if (reader === null || reader === document.documentElement.dataset.reader) {
    const text = await response.text();
    await released();
    return new DOMParser().parseFromString(text, "text/html");
  }
  location.reload();
  return new Promise(() => {});
}

/**
 * One run at a time, so that an older copy never comes after a newer one. All who ask during a run share the next, which
 * gets every wish of theirs; each is answered when a run that began after they asked is through.
 * @param {(wishes: Record<string, boolean>) => Promise<void>} run
 * @returns {(wishes?: Record<string, boolean>) => Promise<void>}
 */
export function inTurn(run) {
  let last = Promise.resolve();
  /** @type {{wishes: Record<string, boolean>, done: Promise<void>} | null} */
  let next = null;
  return (wishes = {}) => {
    if (!next) {
      const mine = (next = { wishes: {}, done: last });
      mine.done = last = last
        .catch(() => {}) // told to who asked for it
        .then(() => {
          next = null;
          return run(mine.wishes);
        });
    }
    for (const [name, wish] of Object.entries(wishes)) next.wishes[name] ||= wish;
    return next.done;
  };
}
