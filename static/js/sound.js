// Tones for new alerts, off until somebody switches them on; a browser lets a page sound only after a click or a key.

import { key } from "./keyboard.js";

/** Hertz and how often, by severity; what is not here is silent. @type {Record<string, [number, number]>} */
const TONES = { CRITICAL: [880, 3], HIGH: [740, 2], MEDIUM: [587, 1], lost: [220, 2] };

/** @type {AudioContext | null} */
let audio = null;
let on = false;
let urgent = false;

const button = () => /** @type {HTMLButtonElement | null} */ (document.querySelector("#sound"));

/** @param {string} what a severity, or "lost" for the connection */
export function sound(what) {
  const tone = TONES[what];
  if (!on || !audio || !tone) return;
  const [hertz, times] = tone;
  for (let n = 0; n < times; n += 1) {
    const start = audio.currentTime + n * 0.28;
    const oscillator = audio.createOscillator();
    const volume = audio.createGain();
    oscillator.frequency.value = hertz;
    volume.gain.setValueAtTime(0.0001, start);
    volume.gain.exponentialRampToValueAtTime(0.25, start + 0.02);
    volume.gain.exponentialRampToValueAtTime(0.0001, start + 0.22);
    oscillator.connect(volume).connect(audio.destination);
    oscillator.start(start);
    oscillator.stop(start + 0.24);
  }
}

/** While a CRITICAL waits, silence is shown in amber. @param {boolean} criticalWaits */
export function soundMatters(criticalWaits) {
  urgent = criticalWaits;
  show();
}

function toggle() {
  on = !on;
  localStorage.setItem("telara.sound", on ? "on" : "off");
  if (on) {
    audio ??= new AudioContext();
    audio.resume();
    sound("MEDIUM");
  }
  show();
}

function show() {
  const element = button();
  if (!element) return;
  element.hidden = false;
  element.classList.toggle("warn", !on && urgent);
  element.setAttribute("aria-pressed", String(on));
  const icon = `<svg class="icon" aria-hidden="true"><use href="#i-${on ? "sound" : "muted"}" /></svg>`;
  element.innerHTML = `${icon}<span class="sound-word">Sound ${on ? "on" : "off"}</span>`;
}

/** Shows the switch; a sound that was on comes back with the first click or key. */
export function startSound() {
  button()?.addEventListener("click", toggle);
  key("m", "sound on, off", toggle);
  if (localStorage.getItem("telara.sound") === "on") {
    const back = () => {
      if (!on) toggle();
    };
    addEventListener("pointerdown", back, { once: true });
    addEventListener("keydown", back, { once: true });
  }
  show();
}
