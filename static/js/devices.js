// The list of devices: states and ages refresh in place.

import { inTurn } from "./fresh.js";
import { live } from "./live.js";
import { refreshParts, soon } from "./parts.js";
import { cursorOf, openOnClick, point, startRows } from "./rows.js";

const EVERY_MS = 10_000;
const list = /** @type {HTMLElement} */ (document.querySelector("#devices-list"));
const rows = () => /** @type {HTMLElement[]} */ ([...list.querySelectorAll(".device-row")]);

/** Rows do not move while somebody is at them. Wishes: all, they do all the same. */
const refresh = inTurn(async ({ all = false }) => {
  if (all) {
    await refreshParts();
    return;
  }
  if (list.contains(document.activeElement) || list.matches(":hover") || !getSelection()?.isCollapsed) return;
  const at = cursorOf(rows())?.dataset.device;
  await refreshParts();
  point(rows(), rows().find((row) => row.dataset.device === at));
});

openOnClick(list, ".device-row");
document.querySelector("#devices-kind")?.addEventListener("change", (event) => {
  /** @type {HTMLSelectElement} */ (event.target).form?.submit();
});
live.addEventListener("status", soon(() => void refresh(), EVERY_MS));
live.onResync(() => refresh({ all: true }));
startRows({ rows, noun: "device", opens: "open its wearer", search: "#devices-q" });
