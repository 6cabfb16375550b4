// The charts of the overview: whose lines each draws, and which of two temperatures the third one shows.

import { live } from "./live.js";
import { gapOf } from "./points.js";
import { RollingChart } from "./rolling_chart.js";

/** @typedef {import("./overview_board.js").Board} Board */
/** @typedef {import("./points.js").Points} Points */

const switches = () => /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-switch]"));

/** @param {string} metric */
const isTemperature = (metric) => metric.endsWith("temp_c");

/** @param {Board} board @returns {{draw: () => void, repaint: () => void}} */
export function startCharts(board) {
  const charts = [...document.querySelectorAll("[data-chart]")].map((figure) => chartIn(/** @type {HTMLElement} */ (figure)));

  function draw() {
    for (const chart of charts) drawOne(chart, board);
  }

  /** @param {string} metric */
  function showTemperature(metric) {
    const chart = charts.find((each) => isTemperature(each.metric));
    if (!chart) return;
    chart.metric = metric;
    for (const button of switches()) button.setAttribute("aria-pressed", String(button.dataset.switch === metric));
    draw();
  }

  for (const button of switches()) {
    const metric = button.dataset.switch ?? "";
    button.textContent = `${metric === "body_temp_c" ? "Core" : "Skin"} ${wornBy(board, metric)}`;
    button.addEventListener("click", () => showTemperature(metric));
  }
  showTemperature(firstTemperature(board));
  return { draw, repaint: () => charts.forEach((chart) => chart.repaint()) };
}

/** @param {HTMLElement} figure */
function chartIn(figure) {
  const title = figure.querySelector("h2")?.textContent ?? "";
  const chart = new RollingChart(figure, { title, unit: figure.querySelector(".caption")?.textContent ?? "" });
  chart.metric = figure.dataset.chart ?? "";
  return chart;
}

/** @param {RollingChart} chart @param {Board} board */
function drawOne(chart, board) {
  const { snapshot } = board;
  chart.lines = snapshot.lines.map((/** @type {string} */ id) => lineOf(id, chart.metric, board));
  chart.episodes = snapshot.episodes;
  chart.thresholds = snapshot.thresholds.filter((/** @type {any} */ each) => each.metric === chart.metric);
  chart.axis = snapshot.axes[chart.metric];
  chart.decimals = snapshot.decimals[chart.metric];
  chart.grey = live.state === "lost";
  chart.heardAt = live.heardAt;
  chart.draw();
}

/** @param {string} id @param {string} metric @param {Board} board */
function lineOf(id, metric, { snapshot, points, tiles }) {
  const known = points.get(id) ?? { t: [] };
  const cadence = Number(tiles.get(id)?.[0]?.dataset.cadence ?? 5);
  const { name, short } = snapshot.people[id];
  const doubtful = (known.flags ?? []).map((flags) => Boolean(/** @type {number} */ (flags) & snapshot.suspect[metric]));
  return { id, name, short, t: known.t, values: known[metric] ?? [], doubtful, gapMs: gapOf(metric, cadence, known) };
}

/** How many of the charted wear something that measures it. @param {Board} board @param {string} metric @returns {number} */
const wornBy = ({ snapshot, points }, metric) =>
  snapshot.lines.filter((/** @type {string} */ id) => points.get(id)?.[metric]?.some((v) => v !== null)).length;

/** The temperature chart opens on the one with an episode, else on the one that more people wear. @param {Board} board */
function firstTemperature(board) {
  const inEpisode = board.snapshot.episodes.find((/** @type {any} */ each) => each.metrics.some(isTemperature));
  return inEpisode?.metrics.find(isTemperature) ?? (wornBy(board, "body_temp_c") >= wornBy(board, "skin_temp_c") ? "body_temp_c" : "skin_temp_c");
}
