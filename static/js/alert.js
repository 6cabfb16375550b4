// The alert page: its chart, its keys, and a fresh copy of what changed whenever the alert does.

import { Chart } from "./strip.js";
import { timeOfDay } from "./clock.js";
import { inTurn } from "./fresh.js";
import { keepingUp, sayHeard } from "./heard.js";
import { key } from "./keyboard.js";
import { live } from "./live.js";
import { refreshParts, soon } from "./parts.js";

const main = /** @type {HTMLElement} */ (document.querySelector("main"));
const id = main.dataset.alert;
/** @type {Chart | null} */
let chart = null;

const find = (/** @type {string} */ selector) => /** @type {HTMLElement | null} */ (document.querySelector(selector));

function draw() {
  const element = find("#evidence-chart");
  const data = find("#chart-data");
  if (!element || !data) return;
  const content = JSON.parse(data.textContent ?? "");
  const readout = find("#chart-readout");
  if (chart) chart.show(content);
  else {
    chart = new Chart(element, content, {
      height: element.clientHeight || 270,
      times: true,
      label: "evidence",
      onCursor: (at, text) => {
        if (readout) readout.textContent = at === null ? "" : `${timeOfDay(at * 1000)}  ${text}`;
      },
    });
  }
}

/** @param {any} event the contract's event */
const heard = (event) => sayHeard(find("[data-heard-of]"), event);

const refresh = inTurn(keepingUp(async () => {
  const unfolded = find("[data-unfold]")?.getAttribute("aria-expanded") === "true";
  await refreshParts();
  if (unfolded) unfold(true);
  draw();
  neighbours();
}, heard));

/** @param {boolean} open */
function unfold(open) {
  find("[data-unfold]")?.setAttribute("aria-expanded", String(open));
  for (const rows of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".folded"))) rows.hidden = !open;
}

/** Previous and next in the list this page was opened from. */
function neighbours() {
  const list = JSON.parse(sessionStorage.getItem("telara.desk") ?? "[]");
  const at = list.indexOf(location.pathname);
  const holder = find("#neighbours");
  if (at < 0 || !holder) return;
  holder.hidden = false;
  for (const [name, address] of [["#previous", list[at - 1]], ["#next", list[at + 1]]]) {
    const link = /** @type {HTMLAnchorElement} */ (find(name));
    link.hidden = !address;
    if (address) link.href = address;
  }
}

/** @param {string} selector */
const follow = (selector) => () => {
  const link = find(selector);
  if (link && !link.hidden && link.hasAttribute("href")) link.click();
};

/** @param {number} number picks from the open snooze menu, else the reason to close with */
function pick(number) {
  const menu = document.querySelector(".alert-actions details[open]");
  const choices = menu ? menu.querySelectorAll(".menu-list button") : document.querySelectorAll(".reasons input");
  const choice = /** @type {HTMLElement | undefined} */ (choices[number - 1]);
  choice?.focus();
  choice?.click();
}

document.addEventListener("click", (event) => {
  const button = /** @type {HTMLElement} */ (event.target).closest("[data-unfold]");
  if (button) unfold(button.getAttribute("aria-expanded") !== "true");
});
document.body.addEventListener("telara:triaged", () => {
  const note = /** @type {HTMLInputElement | null} */ (find("#note"));
  if (note) note.value = "";
  void refresh();
});
const refreshSoon = soon(() => void refresh());
live.addEventListener("alert", (event) => {
  if (/** @type {CustomEvent} */ (event).detail.alert_id === id) refreshSoon();
});
live.addEventListener("vital", (event) => heard(/** @type {CustomEvent} */ (event).detail));
addEventListener("telara:over", refreshSoon);
live.addEventListener("planned", refreshSoon);
live.onResync(refresh);

key("j", "next alert of the list", follow("#next"));
key("k", "previous alert of the list", follow("#previous"));
key("a", "acknowledge", () => find('[data-triage="acknowledge"]')?.click());
key("s", "snooze, then 1 to 5", () => find('[data-triage="snooze"]')?.click());
key("i", "assign", () => find('[data-triage="assign"]')?.click());
key("c", "close, then 1 to 5", () => {
  const closing = /** @type {HTMLDetailsElement | null} */ (find("#closing"));
  if (!closing) return;
  closing.open = true;
  closing.scrollIntoView({ block: "nearest" });
  /** @type {HTMLElement | null} */ (closing.querySelector(".reasons input"))?.focus();
});
key("n", "add a note", () => find("#note")?.focus());
for (let number = 1; number <= 5; number += 1) key(`${number}`, "", () => pick(number));
const closing = /** @type {HTMLDetailsElement | null} */ (find("#closing"));
if (closing && matchMedia("(max-width: 767px)").matches) closing.open = false;
neighbours();
draw();
