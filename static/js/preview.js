// The pane beside the alerts list: the alert of the cursor's row, as its own page says it, where there is room for one.

import { guardActions } from "./base.js";
import { refreshAges } from "./clock.js";
import { inStep } from "./severity.js";
import { Chart } from "./strip.js";

const PARTS = ["head", "actions", "timeline"];
const WAIT_MS = 120; // whoever runs through the list reads none of what they pass

export class Preview {
  /** @param {HTMLElement} pane */
  constructor(pane) {
    this._pane = pane;
    this._room = matchMedia("(min-width: 1440px)");
    /** @type {Chart | null} */
    this._chart = null;
    this._shown = "";
    this._due = 0;
    this._room.addEventListener("change", () => this._show());
  }

  /** @param {string | undefined} address of an alert's page; none: nothing is shown */
  open(address) {
    if (!address) return;
    this._shown = address;
    clearTimeout(this._due);
    this._due = setTimeout(() => void this._show(), WAIT_MS);
  }

  /** The same alert as it now is, unless somebody writes in it. */
  refresh() {
    const menu = this._pane.querySelector("details.menu[open]");
    if (!menu && !this._pane.contains(document.activeElement)) void this._show();
  }

  async _show() {
    if (!this._room.matches || !this._shown) return;
    const address = this._shown;
    const response = await fetch(address, { headers: { "HX-Request": "true" } });
    if (address !== this._shown) return;
    const fresh = new DOMParser().parseFromString(response.ok ? await response.text() : "", "text/html");
    const parts = PARTS.map((name) => fresh.querySelector(`[data-part="${name}"]`)).filter((part) => part !== null);
    const scrolled = this._pane.scrollTop;
    this._chart?.remove();
    this._chart = null;
    this._pane.replaceChildren(...parts);
    if (!parts.length) this._pane.textContent = "This alert cannot be read now.";
    this._tidy(address);
    this._draw(fresh.querySelector("#chart-data")?.textContent ?? "");
    this._pane.scrollTop = scrolled;
    // @ts-ignore htmx is a global
    htmx.process(this._pane);
    refreshAges(this._pane);
    guardActions();
    inStep();
  }

  /** What belongs to a page of its own is not in the pane. @param {string} address */
  _tidy(address) {
    for (const own of this._pane.querySelectorAll(".crumbs, kbd")) own.remove();
    for (const closing of /** @type {NodeListOf<HTMLDetailsElement>} */ (this._pane.querySelectorAll("details.closing"))) closing.open = false;
    for (const back of /** @type {NodeListOf<HTMLInputElement>} */ (this._pane.querySelectorAll('input[name="next"]'))) back.value = location.pathname + location.search;
    const heading = this._pane.querySelector("h1");
    if (!heading) return;
    const title = document.createElement("h2");
    const link = document.createElement("a");
    link.href = address;
    link.textContent = heading.textContent;
    title.append(link);
    heading.replaceWith(title);
  }

  /** @param {string} data */
  _draw(data) {
    const head = this._pane.querySelector('[data-part="head"]');
    if (!head || !data) return;
    const element = document.createElement("div");
    element.className = "preview-chart";
    head.after(element);
    this._chart = new Chart(element, JSON.parse(data), { height: 190, times: true, label: "evidence" });
  }
}
