// The alerts list: cursor, keys, and news that waits in a bar instead of moving the row under the pointer.

import { refreshAges } from "./clock.js";
import { key } from "./keyboard.js";
import { live } from "./live.js";
import { soon } from "./parts.js";
import { inStep, rank, shape } from "./severity.js";

const list = /** @type {HTMLElement} */ (document.querySelector("#desk-list"));
const bar = /** @type {HTMLButtonElement} */ (document.querySelector("#new-bar"));
const rows = () => /** @type {HTMLElement[]} */ ([...list.querySelectorAll(".desk-row")]);
/** Alerts that came and are not on the page: severity, and whether technical. @type {Map<string, [string, boolean]>} */
const waiting = new Map();

const cursor = () => rows().find((row) => row.classList.contains("cursor"));

/** @param {number} step */
function move(step) {
  const all = rows();
  if (!all.length) return;
  const at = all.findIndex((row) => row.classList.contains("cursor"));
  const next = all[Math.min(all.length - 1, Math.max(0, at < 0 ? 0 : at + step))];
  for (const row of all) row.classList.toggle("cursor", row === next);
  next.scrollIntoView({ block: "nearest" });
}

/** Presses what the cursor's row offers. @param {string} name */
function press(name) {
  const button = /** @type {HTMLElement | null} */ (cursor()?.querySelector(`[data-triage="${name}"]`));
  if (!button) return;
  button.click();
  if (button.tagName === "SUMMARY") {
    const first = button.parentElement?.querySelector(".menu-list button:enabled");
    queueMicrotask(() => /** @type {HTMLElement | null} */ (first)?.focus());
  }
}

/** A number picks from the menu that is open. @param {number} number */
function pick(number) {
  const buttons = list.querySelectorAll("details.menu[open] .menu-list button");
  /** @type {HTMLElement | undefined} */ (buttons[number - 1])?.click();
}

async function fetched() {
  const response = await fetch(location.href, { headers: { "HX-Request": "true" } });
  if (!response.ok || response.redirected) throw new Error(`alerts: ${response.status}`);
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

/** Everything as it now is. */
async function reload() {
  const fresh = await fetched();
  const at = cursor()?.dataset.alert;
  for (const id of ["#desk-facets", "#desk-list"]) {
    const [old, other] = [document.querySelector(id), fresh.querySelector(id)];
    if (old && other) old.replaceChildren(...other.childNodes);
  }
  // @ts-ignore htmx is a global
  htmx.process(list);
  for (const row of rows()) row.classList.toggle("cursor", row.dataset.alert === at);
  waiting.clear();
  showBar();
  settle();
}

/** Each row as it now is, where it stands; what came, left or moved waits in the bar. */
async function refresh() {
  const fresh = await fetched();
  document.querySelector("#desk-facets")?.replaceChildren(...(fresh.querySelector("#desk-facets")?.childNodes ?? []));
  for (const other of /** @type {NodeListOf<HTMLElement>} */ (fresh.querySelectorAll(".desk-row"))) {
    const old = rows().find((row) => row.dataset.alert === other.dataset.alert);
    if (!old || old.contains(document.activeElement) || old.querySelector("details[open], .htmx-request")) continue;
    other.classList.toggle("cursor", old.classList.contains("cursor"));
    old.replaceWith(other);
    // @ts-ignore htmx is a global
    htmx.process(other);
  }
  settle();
}

function settle() {
  remember();
  refreshAges();
  inStep();
}

/** The alert page walks through the list it was opened from. */
function remember() {
  sessionStorage.setItem("telara.desk", JSON.stringify(rows().map((row) => row.dataset.href)));
}

function showBar() {
  bar.hidden = !waiting.size;
  if (!waiting.size) return;
  // a clinical one is worse than any technical one
  const [[severity, technical]] = [...waiting.values()].sort((a, b) => Number(a[1]) - Number(b[1]) || rank(a[0]) - rank(b[0]));
  bar.replaceChildren(shape(severity, { technical }), `${waiting.size} new, worst ${severity}${technical ? ", technical" : ""}. Show`);
}

/** Nobody reads, points or types here: what is new may take its place at once. */
const isIdle = () => !list.matches(":hover") && !list.contains(document.activeElement) && !cursor() && scrollY === 0;

/** @param {any} alert the contract's Alert */
function arrived(alert) {
  const known = rows().some((row) => row.dataset.alert === alert.alert_id);
  const isNew = !known && alert.episode === "firing" && alert.status === "new" && mayBelong && (!ofClass || alert.class === ofClass);
  if (isNew && !isIdle()) {
    waiting.set(alert.alert_id, [alert.severity, alert.class === "technical"]);
    showBar();
  } else if (known || isNew) {
    refreshSoon();
  }
}

/** Views of what is over, and later pages, get nothing new. */
const parameters = new URLSearchParams(location.search);
const mayBelong = !parameters.has("before") && ["", "open", "firing", "new"].includes(parameters.get("view") ?? parameters.get("episode") ?? "");
const ofClass = parameters.get("class") ?? "";
const refreshSoon = soon(() => void (isIdle() ? reload() : refresh()), 1500);

bar.addEventListener("click", () => void reload());
document.body.addEventListener("telara:triaged", () => void reload());
live.addEventListener("alert", (event) => arrived(/** @type {CustomEvent} */ (event).detail));
live.onResync(reload);

remember();
key("j", "next alert", () => move(1));
key("k", "previous alert", () => move(-1));
key("Enter", "open", () => {
  const href = cursor()?.dataset.href;
  if (href) location.assign(href);
});
key("a", "acknowledge", () => press("acknowledge"));
key("s", "snooze, then 1 to 5", () => press("snooze"));
key("c", "close, then 1 to 5", () => press("close"));
key("/", "search", () => {
  /** @type {HTMLDetailsElement} */ (document.querySelector("#facets")).open = true;
  /** @type {HTMLElement | null} */ (document.querySelector("#desk-q"))?.focus();
});
for (let number = 1; number <= 5; number += 1) key(`${number}`, "", () => pick(number));
