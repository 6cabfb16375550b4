// A small line without axes, on its own scale, in an SVG element.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 52;
const HEIGHT = 22;

/**
 * Draws `ys` over `xs` into `svg`; a step of more than `gap` in `xs` is not joined. The last value is a dot.
 * @param {SVGSVGElement} svg
 * @param {number[]} xs
 * @param {number[]} ys
 * @param {{from?: number, to?: number, gap?: number, zero?: boolean, stroke?: string}} [options]
 */
export function sparkline(svg, xs, ys, { from, to, gap = Infinity, zero = false, stroke = "var(--data)" } = {}) {
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  if (!ys.length) {
    svg.replaceChildren();
    return;
  }
  const left = from ?? xs[0];
  const span = (to ?? xs[xs.length - 1]) - left || 1;
  const low = zero ? 0 : Math.min(...ys);
  const high = Math.max(...ys);
  const x = (/** @type {number} */ at) => 1 + ((at - left) / span) * (WIDTH - 4);
  const y = (/** @type {number} */ value) =>
    high === low ? (zero ? HEIGHT - 2 : HEIGHT / 2) : HEIGHT - 3 - ((value - low) / (high - low)) * (HEIGHT - 6);
  let path = "";
  for (let i = 0; i < ys.length; i += 1) {
    const joined = i > 0 && xs[i] - xs[i - 1] <= gap;
    path += `${joined ? "L" : "M"}${x(xs[i]).toFixed(1)} ${y(ys[i]).toFixed(1)}`;
  }
  const line = document.createElementNS(SVG, "path");
  line.setAttribute("d", path);
  line.setAttribute("fill", "none");
  line.setAttribute("stroke", stroke);
  line.setAttribute("stroke-width", "1.3");
  line.setAttribute("stroke-linejoin", "round");
  line.setAttribute("vector-effect", "non-scaling-stroke");
  const dot = document.createElementNS(SVG, "path");
  const end = `${x(xs[xs.length - 1]).toFixed(1)} ${y(ys[ys.length - 1]).toFixed(1)}`;
  dot.setAttribute("d", `M${end}L${end}`);
  dot.setAttribute("stroke", stroke);
  dot.setAttribute("stroke-width", "4");
  dot.setAttribute("stroke-linecap", "round");
  dot.setAttribute("vector-effect", "non-scaling-stroke");
  svg.replaceChildren(line, dot);
}
