// Severities, worst first, and their marks: shape and word always, colour never alone.

export const SEVERITIES = /** @type {const} */ (["CRITICAL", "HIGH", "MEDIUM", "LOW", "INFO"]);
/** @typedef {typeof SEVERITIES[number]} Severity */

/** 0 is the worst; what is no severity comes last. @param {string | null | undefined} severity */
export function rank(severity) {
  const place = SEVERITIES.indexOf(/** @type {Severity} */ (severity));
  return place < 0 ? SEVERITIES.length : place;
}

const SVG = "http://www.w3.org/2000/svg";

/**
 * The shape of a severity. Where no word stands beside it, give it a label.
 * @param {string} severity
 * @param {{technical?: boolean, blink?: boolean, label?: string}} [options]
 */
export function shape(severity, { technical = false, blink = false, label = "" } = {}) {
  const name = severity.toLowerCase();
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", `shape ${name}${technical ? " technical" : ""}${blink && !technical ? " blink" : ""}`);
  svg.setAttribute("viewBox", "0 0 14 14");
  if (label) {
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label);
  } else {
    svg.setAttribute("aria-hidden", "true");
  }
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#s-${technical ? "technical-" : ""}${name}`);
  svg.append(use);
  return svg;
}

/** Makes all marks of a severity blink in step. Call it after marks were added. */
export function inStep() {
  for (const animation of document.getAnimations()) {
    if (/** @type {CSSAnimation} */ (animation).animationName === "blink") animation.startTime = 0;
  }
}

/** The canvas colour of a severity or of any token. @param {string} name without dashes: `high`, `line-1` */
export const colour = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name.toLowerCase()}`).trim();
