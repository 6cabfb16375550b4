// The bar that says what was done and takes it back for 8 s; also where a refusal is told.
// A response of /triage/... carries the event `telara:triaged` {text, undo, alert_id} or `telara:refused` {text}; what failed
// otherwise is told here in words of our own.

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

/** Says that what was asked for was not done. @param {XMLHttpRequest} answer */
function failed(answer) {
  if (answer.getResponseHeader("HX-Trigger")) return; // which says why
  const stranger = "It was not done: you may not, or this page is from before you signed in. Load it again.";
  tell(answer.status === 403 ? stranger : `It was not done (${answer.status}). Try again.`);
}

function unanswered() {
  tell("No answer came. See whether it was done, and try again.");
}

export function startUndo() {
  document.body.addEventListener("telara:triaged", (event) => {
    const { text, undo } = /** @type {CustomEvent} */ (event).detail;
    tell(text, undo);
  });
  document.body.addEventListener("telara:refused", (event) => tell(/** @type {CustomEvent} */ (event).detail.text));
  document.body.addEventListener("htmx:responseError", (event) => failed(/** @type {CustomEvent} */ (event).detail.xhr));
  for (const name of ["htmx:sendError", "htmx:timeout"]) document.body.addEventListener(name, unanswered);
  bar("button").addEventListener("click", takeBack);
  key("u", "undo, for 8 s", takeBack);
}
