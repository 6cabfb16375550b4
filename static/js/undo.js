// The bar that says what was done and takes it back for 8 s; also where a refusal is told.
// A response of /triage/... carries the event `telara:triaged` {text, undo, alert_id} or `telara:refused` {text}.

import { key } from "./keyboard.js";

const SECONDS = 8;
let timer = 0;

/** @param {string} [selector] */
const bar = (selector = "") => /** @type {HTMLElement} */ (document.querySelector(`#undo ${selector}`.trim()));

/** Shows a sentence; with `undo`, an address to POST to, it can be taken back. @param {string} text @param {string} [undo] */
export function tell(text, undo = "") {
  let left = SECONDS;
  bar(".text").textContent = text;
  bar(".end").hidden = !undo;
  bar().dataset.undo = undo;
  bar().hidden = false;
  bar(".left").textContent = `${left} s`;
  clearInterval(timer);
  timer = setInterval(() => {
    left -= 1;
    bar(".left").textContent = `${left} s`;
    if (left <= 0) hide();
  }, 1000);
}

function hide() {
  clearInterval(timer);
  bar().hidden = true;
}

async function takeBack() {
  const address = bar().dataset.undo;
  if (bar().hidden || !address) return;
  hide();
  // @ts-ignore htmx is a global
  await htmx.ajax("POST", address, { swap: "none", source: document.body });
}

export function startUndo() {
  document.body.addEventListener("telara:triaged", (event) => {
    const { text, undo } = /** @type {CustomEvent} */ (event).detail;
    tell(text, undo);
  });
  document.body.addEventListener("telara:refused", (event) => tell(/** @type {CustomEvent} */ (event).detail.text));
  bar("button").addEventListener("click", takeBack);
  key("u", "undo, for 8 s", takeBack);
}
