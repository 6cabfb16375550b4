// The focus outlives what it was on: when a fresh copy takes that element's place, it goes on to the one that means the
// same, else to what stands there now. Only for who moves by keyboard: a click leaves nothing behind.

/** What a row is known by, wherever it stands. */
const HANDLES = ["data-alert", "data-user", "data-device", "data-message", "data-run"];
const ROW = "li, tr, article";
const FOCUSABLE = 'a[href], button:enabled, input:enabled:not([type="hidden"]), select:enabled, textarea:enabled, summary';

/** @typedef {{element: HTMLElement, around: HTMLElement[], handle: string, place: number, sign: string}} Held */
/** @type {Held | null} */
let held = null;

const isThere = (/** @type {HTMLElement} */ element) => element.isConnected && element.checkVisibility();

/** What an element does, whatever it counts. @param {HTMLElement} element */
function signOf(element) {
  const { triage = "", bulk = "" } = element.dataset;
  const says = (element.getAttribute("aria-label") ?? element.textContent ?? "").replace(/[\d\s,]+/g, " ").trim();
  return [element.localName, element.id, element.dataset.do ?? "", triage, bulk, element.getAttribute("name") ?? "", says].join("|");
}

/** @param {HTMLElement} element */
function rowOf(element) {
  const row = /** @type {HTMLElement | null} */ (element.closest(HANDLES.map((name) => `:is(${ROW})[${name}]`).join()));
  const name = HANDLES.find((each) => row?.hasAttribute(each));
  return row && name ? { row, name, handle: `[${name}="${CSS.escape(row.getAttribute(name) ?? "")}"]` } : null;
}

/** @param {FocusEvent} event */
function hold(event) {
  const element = /** @type {HTMLElement} */ (event.target);
  if (element.closest("dialog")) return; // which gives the focus back itself, where it can
  held = null;
  if (!(element instanceof HTMLElement) || element === document.body || !element.matches(":focus-visible")) return;
  const around = [];
  for (let each = element.parentElement; each && each !== document.body; each = each.parentElement) around.push(each);
  const at = rowOf(element);
  const place = at ? [...document.querySelectorAll(`[${at.name}]`)].indexOf(at.row) : -1;
  held = { element, around, handle: at?.handle ?? "", place, sign: signOf(element) };
}

/** @param {ParentNode} root */
const focusable = (root) => /** @type {HTMLElement[]} */ ([...root.querySelectorAll(FOCUSABLE)].filter((each) => isThere(/** @type {HTMLElement} */ (each))));

/** Where the focus belongs now. @param {Held} was */
function heir({ around, handle, place, sign }) {
  const root = around.find(isThere) ?? document.querySelector("main");
  if (!root) return null;
  const name = handle.slice(1).split("=")[0];
  const row = handle ? document.querySelector(`:is(${ROW})${handle}`) ?? [...document.querySelectorAll(`:is(${ROW})[${name}]`)][place] : null;
  const near = focusable(row ?? root);
  const same = near.find((each) => signOf(each) === sign) ?? (row ? near.find((each) => each.localName === "a") ?? near[0] : undefined);
  if (same) return same;
  if (root.localName !== "main" && near.length) return near[0];
  root.tabIndex = -1;
  return /** @type {HTMLElement} */ (root);
}

function lookAgain() {
  if (!held || isThere(held.element) || ![null, document.body, held.element].includes(document.activeElement)) return;
  const next = heir(held);
  held = null;
  next?.focus({ preventScroll: true });
}

export function startFocus() {
  document.addEventListener("focusin", hold);
  document.addEventListener("focusout", (event) => {
    const was = held;
    // Also said of what is being taken away, while it still stands; what stands afterwards was let go on purpose.
    if (!event.relatedTarget) setTimeout(() => (held = held === was && was && isThere(was.element) ? null : held));
  });
  new MutationObserver(lookAgain).observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ["hidden", "open"] });
}
