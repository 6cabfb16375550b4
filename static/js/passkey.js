// Makes a passkey, or shows one: asks the browser what the page's JSON asks for, and sends the answer with the form.

/** @param {string} text base64url @returns {ArrayBuffer} */
const bytesOf = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0)).buffer;

/** @param {ArrayBuffer | null} bytes @returns {string | null} base64url */
const textOf = (bytes) =>
  bytes &&
  btoa(String.fromCharCode(...new Uint8Array(bytes)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");

const described = (/** @type {{id: string}[]} */ list = []) => list.map((each) => ({ ...each, id: bytesOf(each.id) }));

/** @param {any} asked @returns {Promise<any>} */
const made = (asked) =>
  navigator.credentials.create({
    publicKey: {
      ...asked,
      challenge: bytesOf(asked.challenge),
      user: { ...asked.user, id: bytesOf(asked.user.id) },
      excludeCredentials: described(asked.excludeCredentials),
    },
  });

/** @param {any} asked @returns {Promise<any>} */
const shown = (asked) =>
  navigator.credentials.get({
    publicKey: {
      ...asked,
      challenge: bytesOf(asked.challenge),
      allowCredentials: described(asked.allowCredentials),
    },
  });

/** What the server reads of a credential. @param {any} credential */
const written = (credential) => {
  const response = { clientDataJSON: textOf(credential.response.clientDataJSON) };
  for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
    const bytes = credential.response[name];
    if (bytes) {
      response[name] = textOf(bytes);
    }
  }
  return JSON.stringify({
    id: credential.id,
    rawId: textOf(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment,
    clientExtensionResults: credential.getClientExtensionResults(),
    response,
  });
};

/** Why this browser makes and shows no passkey here; empty where it can. What the address hinders, the page says. */
const hindrance = () => {
  if (!window.isSecureContext) {
    return "Passkeys need a site that is reached by https.";
  }
  return window.PublicKeyCredential ? "" : "This browser knows no passkeys.";
};

const form = /** @type {HTMLFormElement} */ (document.querySelector("form[data-passkey]"));
const says = /** @type {HTMLElement} */ (form.querySelector(".passkey-says"));
const button = /** @type {HTMLButtonElement} */ (form.querySelector("button[type=submit]"));
const field = /** @type {HTMLInputElement} */ (form.elements.namedItem("credential"));
const asked = JSON.parse(/** @type {HTMLElement} */ (document.querySelector("#passkey-options")).textContent ?? "{}");

says.textContent = form.dataset.hindrance || hindrance();
button.disabled = Boolean(says.textContent);
form.addEventListener("submit", async (event) => {
  if (field.value) {
    return;
  }
  event.preventDefault();
  button.disabled = true;
  says.textContent = "Follow what your browser asks.";
  try {
    const ask = form.dataset.passkey === "make" ? made : shown;
    field.value = written(await ask(asked.publicKey));
    form.submit();
  } catch (error) {
    const name = /** @type {DOMException} */ (error).name;
    says.textContent =
      name === "InvalidStateError"
        ? "This device has a passkey of yours already."
        : "No passkey was given. Press the button to try again.";
    button.disabled = false;
  }
});
