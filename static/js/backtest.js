// The backtest of the text in the editor: asked for through htmx, watched while it runs, and stopped.

import { now } from "./clock.js";

const ASK_EVERY_MS = 400;
const one = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (document.querySelector(selector));

function token() {
  return /** @type {HTMLMetaElement | null} */ (document.querySelector('meta[name="csrf-token"]'))?.content ?? "";
}

/** @param {HTMLFormElement} form */
export function startBacktest(form) {
  const running = one("#running");
  const bar = /** @type {HTMLProgressElement} */ (running.querySelector("progress"));
  const words = one("#running-said");
  const said = one("#backtest-said");
  const tried = one("#tried");
  const name = /** @type {HTMLInputElement} */ (form.elements.namedItem("run"));
  const button = /** @type {HTMLButtonElement} */ (one("#backtest-run"));
  let begun = 0;
  let ticking = 0;

  async function ask() {
    const asked = name.value;
    const response = await fetch(`${form.dataset.progress}?run=${asked}`);
    if (!response.ok || response.redirected || asked !== name.value || running.hidden) return;
    const { share, person, people } = await response.json();
    if (share === undefined) return;
    bar.value = share;
    const whom = people > 1 ? `, wearer ${person} of ${people}` : "";
    words.textContent = `${Math.round(share * 100)} %${whom}, ${Math.round((now() - begun) / 1000)} s`;
  }

  function started() {
    begun = now();
    bar.removeAttribute("value"); // until something is known
    words.textContent = "reading what is stored";
    said.textContent = "The backtest runs.";
    running.hidden = false;
    tried.classList.add("old");
    button.textContent = "Run again";
    clearInterval(ticking);
    ticking = setInterval(() => void ask().catch(() => undefined), ASK_EVERY_MS); // the next one may be answered
  }

  function ended() {
    clearInterval(ticking);
    running.hidden = true;
    tried.classList.remove("old");
  }

  /** @param {string} what */
  function failed(what) {
    const line = document.createElement("p");
    line.className = "panel-body refused";
    line.textContent = `${what} Press Run to try again.`;
    tried.replaceChildren(line);
    said.textContent = line.textContent;
  }

  form.addEventListener("htmx:configRequest", (event) => {
    const detail = /** @type {CustomEvent} */ (event).detail;
    name.value = crypto.getRandomValues(new Uint32Array(4)).reduce((text, part) => text + part.toString(16).padStart(8, "0"), "");
    detail.parameters.set("run", name.value);
  });
  form.addEventListener("htmx:beforeRequest", started);
  form.addEventListener("htmx:afterRequest", ended);
  form.addEventListener("htmx:sendError", (event) => {
    event.stopPropagation(); // said here, and nowhere else
    failed("There was no answer.");
  });
  form.addEventListener("htmx:responseError", (event) => {
    event.stopPropagation();
    failed(`It failed (${/** @type {CustomEvent} */ (event).detail.xhr.status}).`);
  });
  tried.addEventListener("htmx:afterSettle", () => {
    said.textContent = tried.querySelector("[data-said]")?.textContent?.replace(/\s+/g, " ").trim() ?? "";
  });
  addEventListener("pagehide", () => {
    if (running.hidden) return;
    // Nobody waits for it any more.
    navigator.sendBeacon(form.dataset.stop ?? "", new URLSearchParams({ csrfmiddlewaretoken: token() }));
  });
  one("#backtest-stop").addEventListener("click", () => {
    void fetch(form.dataset.stop ?? "", { method: "POST", headers: { "X-CSRFToken": token() } });
    button.focus();
  });
  return () => {
    if (!button.disabled) form.requestSubmit(button);
  };
}
