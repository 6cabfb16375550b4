// The alerts list: cursor, keys, and news that waits in a bar instead of moving the row under the pointer.

import { refreshAges } from "./clock.js";
import { key } from "./keyboard.js";
import { live } from "./live.js";
import { inStep, rank } from "./severity.js";

const list = /** @type {HTMLElement} */ (document.querySelector("#desk-list"));
const bar = /** @type {HTMLButtonElement} */ (document.querySelector("#new-bar"));
const rows = () => /** @type {HTMLElement[]} */ ([...list.querySelectorAll(".desk-row")]);
/** Alerts that came and are not on the page, with their severity. @type {Map<string, string>} */
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

async function reload() {
  const at = cursor()?.dataset.alert;
  const response = await fetch(location.href, { headers: { "HX-Request": "true" } });
  if (!response.ok) throw new Error(`alerts: ${response.status}`);
  list.innerHTML = await response.text();
  // @ts-ignore htmx is a global
  htmx.process(list);
  for (const row of rows()) row.classList.toggle("cursor", row.dataset.alert === at);
  remember();
  waiting.clear();
  showBar();
  refreshAges();
  inStep();
}

/** The alert page walks through the list it was opened from. */
function remember() {
  sessionStorage.setItem("telara.desk", JSON.stringify(rows().map((row) => row.dataset.href)));
}

function showBar() {
  const worst = [...waiting.values()].sort((a, b) => rank(a) - rank(b))[0];
  bar.hidden = !waiting.size;
  if (waiting.size) bar.textContent = `${waiting.size} new, worst ${worst}. Show`;
}

/** @param {any} alert the contract's Alert */
function arrived(alert) {
  const row = list.querySelector(`[data-alert="${alert.alert_id}"]`);
  if (row) {
    void reload();
  } else if (alert.episode === "firing" && alert.status === "new") {
    waiting.set(alert.alert_id, alert.severity);
    showBar();
  }
}

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
for (let number = 1; number <= 5; number += 1) key(`${number}`, `choice ${number} of an open menu`, () => pick(number));
