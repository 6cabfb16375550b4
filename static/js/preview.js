// The pane beside the alerts list: the alert of the cursor's row, as its own page says it, where there is room for one.

import { guardActions } from "./base.js";
import { refreshAges } from "./clock.js";
import { freshCopy } from "./fresh.js";
import { keepingUp, sayHeard } from "./heard.js";
import { live } from "./live.js";
import { inStep } from "./severity.js";
import { Chart } from "./strip.js";

const PARTS = ["head", "actions", "timeline"];
const USED = ":is(details.menu, details.closing)[open], :is(input, select, textarea):focus, .htmx-request";
const WAIT_MS = 120; // whoever runs through the list reads none of what they pass

/** @param {string} address @returns {Promise<Document>} empty where it cannot be read */
async function read(address) {
  try {
    return await freshCopy(address);
  } catch (error) {
    console.warn(`${address} cannot be read.`, error);
    return new Document();
  }
}

export class Preview {
  /** @param {HTMLElement} pane */
  constructor(pane) {
    this._pane = pane;
    this._room = matchMedia("(min-width: 1440px)");
    /** @type {Chart | null} */
    this._chart = null;
    this._hint = [...pane.childNodes];
    this._shown = "";
    this._due = 0;
    this._turn = 0;
    /** Whether a decision was made here that the pane does not show yet. */
    this._decided = false;
    this._room.addEventListener("change", () => this._show());
    document.body.addEventListener("telara:triaged", ({ target }) => {
      if (!pane.contains(/** @type {Node} */ (target))) return;
      this._decided = true;
      void this._show();
    });
    const heard = (/** @type {any} */ event) => sayHeard(pane.querySelector("[data-heard-of]"), event);
    live.addEventListener("vital", (event) => heard(/** @type {CustomEvent} */ (event).detail));
    /** Shows the alert as it now is; gently: not where somebody began to use the pane meanwhile. */
    this._show = keepingUp(({ gently = false }) => this._take(gently), heard);
  }

  /** @param {string | undefined} address of an alert's page; none: nothing is shown */
  open(address = "") {
    this._shown = address;
    this._turn += 1;
    clearTimeout(this._due);
    if (address) this._due = setTimeout(() => void this._show(), WAIT_MS);
    else this._put(this._hint);
  }

  /** The same alert as it now is, unless somebody writes, chooses or presses in it. */
  refresh() {
    if (!this._isUsed()) void this._show({ gently: true });
  }

  _isUsed() {
    return !this._decided && (this._pane.matches(":active") || this._pane.querySelector(USED) !== null);
  }

  /** @param {boolean} gently */
  async _take(gently) {
    if (!this._room.matches || !this._shown) return;
    const address = this._shown;
    this._turn += 1;
    const turn = this._turn;
    const fresh = await read(address);
    if (turn !== this._turn || (gently && this._isUsed())) return;
    this._decided = false;
    const parts = PARTS.map((name) => fresh.querySelector(`[data-part="${name}"]`)).filter((part) => part !== null);
    const scrolled = this._pane.scrollTop;
    this._put(parts.length ? parts : ["This alert cannot be read now."]);
    this._tidy(address);
    this._draw(fresh.querySelector("#chart-data")?.textContent ?? "");
    this._pane.scrollTop = scrolled;
    // @ts-ignore htmx is a global
    htmx.process(this._pane);
    refreshAges(this._pane);
    guardActions();
    inStep();
  }

  /** @param {(Node | string)[]} nodes what stands in the pane from now on */
  _put(nodes) {
    this._chart?.remove();
    this._chart = null;
    this._pane.replaceChildren(...nodes);
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
