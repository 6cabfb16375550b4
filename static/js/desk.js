// The alerts list: cursor, keys, and news that waits in a bar instead of moving the row under the pointer.

import { refreshAges } from "./clock.js";
import { key } from "./keyboard.js";
import { live } from "./live.js";
import { soon } from "./parts.js";
import { Preview } from "./preview.js";
import { cursorOf, move, point as give } from "./rows.js";
import { Selection } from "./selection.js";
import { inStep, rank, shape } from "./severity.js";

const list = /** @type {HTMLElement} */ (document.querySelector("#desk-list"));
const bar = /** @type {HTMLButtonElement} */ (document.querySelector("#new-bar"));
const rows = () => /** @type {HTMLElement[]} */ ([...list.querySelectorAll(".desk-row")]);
/** Alerts that came and are not on the page: severity, and whether technical. @type {Map<string, [string, boolean]>} */
const waiting = new Map();

const selection = new Selection(rows);
const preview = new Preview(/** @type {HTMLElement} */ (document.querySelector("#preview")));

const cursor = () => cursorOf(rows());

/** @param {HTMLElement} at the row that is the cursor's from now on */
function point(at) {
  give(rows(), at);
  preview.open(at.dataset.href);
}

/** Presses what the bar offers for all that is selected, else what the cursor's row does. @param {string} name */
function press(name) {
  const offered = selection.size ? document.querySelector(`#bulk [data-bulk="${name}"]`) : cursor()?.querySelector(`[data-triage="${name}"]`);
  const button = /** @type {HTMLElement | null | undefined} */ (offered);
  if (!button) return;
  button.click();
  if (button.tagName === "SUMMARY") {
    const first = button.parentElement?.querySelector(".menu-list button:enabled");
    queueMicrotask(() => /** @type {HTMLElement | null} */ (first)?.focus());
  }
}

/** A number picks from the menu that is open. @param {number} number */
function pick(number) {
  const buttons = document.querySelectorAll(".desk-main details.menu[open] .menu-list button");
  /** @type {HTMLElement | undefined} */ (buttons[number - 1])?.click();
}

async function fetched() {
  const response = await fetch(location.href, { headers: { "HX-Request": "true" } });
  if (!response.ok || response.redirected) throw new Error(`alerts: ${response.status}`);
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

/** The facets with their counts; what was unfolded stays so. @param {Document} fresh */
function takeFacets(fresh) {
  const facets = document.querySelector("#desk-facets");
  const unfolded = [...(facets?.querySelectorAll("details[open]") ?? [])].map((each) => each.id);
  facets?.replaceChildren(...(fresh.querySelector("#desk-facets")?.childNodes ?? []));
  for (const id of unfolded) document.getElementById(id)?.setAttribute("open", "");
}

/** Everything as it now is. */
async function reload() {
  const fresh = await fetched();
  const at = cursor()?.dataset.alert;
  const place = rows().findIndex((row) => row.dataset.alert === at);
  takeFacets(fresh);
  list.replaceChildren(...(fresh.querySelector("#desk-list")?.childNodes ?? []));
  // @ts-ignore htmx is a global
  htmx.process(list);
  const now = rows();
  const next = now.find((row) => row.dataset.alert === at) ?? (place < 0 ? undefined : now[Math.min(place, now.length - 1)]);
  next?.classList.add("cursor"); // what left the list leaves its place to the one below
  waiting.clear();
  showBar();
  settle();
  if (next?.dataset.alert === at) preview.refresh();
  else preview.open(next?.dataset.href);
}

/** Each row as it now is, where it stands; what came, left or moved waits in the bar. */
async function refresh() {
  const fresh = await fetched();
  takeFacets(fresh);
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
  selection.show();
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
const isIdle = () => !list.matches(":hover") && !list.contains(document.activeElement) && !cursor() && !selection.size && scrollY === 0;

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

list.addEventListener("click", (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  const row = /** @type {HTMLElement | null} */ (target.closest(".desk-row"));
  if (row && !target.closest("a, button, input, label, summary")) point(row);
});
bar.addEventListener("click", () => void reload());
document.body.addEventListener("telara:triaged", (event) => {
  if (document.querySelector("#bulk")?.contains(/** @type {Node} */ (event.target))) selection.clear();
  void reload();
});
live.addEventListener("alert", (event) => arrived(/** @type {CustomEvent} */ (event).detail));
addEventListener("telara:over", refreshSoon);
live.addEventListener("planned", refreshSoon);
live.onResync(reload);

remember();
key("j", "next alert", () => move(rows(), 1, point));
key("k", "previous alert", () => move(rows(), -1, point));
key("x", "select", () => selection.toggle(cursor()));
key("Shift+x", "select up to here", () => selection.extend(cursor()));
key("Escape", "", () => {
  if (!document.querySelector("details.menu[open]")) selection.clear();
});
key("i", "assign", () => {
  if (!selection.size) selection.toggle(cursor());
  press("assign");
});
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
for (let number = 1; number <= 9; number += 1) key(`${number}`, "", () => pick(number));
