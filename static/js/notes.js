// The form of a note: which moment it is about, now unless a moment of the charts was picked.

import { key } from "./keyboard.js";
import { timeText } from "./strip.js";

const LONG_S = 100_000; // so long a stretch is told with its day
const one = (/** @type {string} */ selector) => /** @type {HTMLElement | null} */ (document.querySelector(selector));

/** The moment that the next note is about; null: now. @param {number | null} at in seconds since 1970 */
export function about(at) {
  const field = /** @type {HTMLInputElement | null} */ (one("#note-about"));
  const [moment, now] = [one("#note-moment"), one("#note-now")];
  if (!field || !moment || !now) return;
  field.value = at === null ? "" : new Date(at * 1000).toISOString();
  moment.textContent = at === null ? "now" : timeText(at, LONG_S * 2);
  now.hidden = at === null;
}

/** @param {() => number | null} cursor where the cursor of the charts is */
export function startNotes(cursor) {
  const text = /** @type {HTMLTextAreaElement | null} */ (one("#note-text"));
  const begin = () => {
    const at = cursor();
    if (at !== null) about(at);
    text?.focus();
  };
  key("n", "note, about where the cursor is", begin);
  one('[data-opens="note"]')?.addEventListener("click", (event) => {
    event.preventDefault();
    begin();
  });
  one("#note-now")?.addEventListener("click", () => about(null));
  one("#note-form")?.addEventListener("htmx:afterRequest", (event) => {
    if (!(/** @type {CustomEvent} */ (event).detail.successful) || !text) return;
    text.value = "";
    about(null);
  });
}
