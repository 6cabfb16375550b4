// Shows and hides the password.
const field = /** @type {HTMLInputElement} */ (document.querySelector("#id_password"));
const button = /** @type {HTMLButtonElement} */ (document.querySelector("#show-password"));
button.hidden = false;
button.addEventListener("click", () => {
  const shown = field.type === "text";
  field.type = shown ? "password" : "text";
  button.textContent = shown ? "Show" : "Hide";
  button.setAttribute("aria-pressed", String(!shown));
});
field.form?.addEventListener("submit", () => {
  field.type = "password";
});
