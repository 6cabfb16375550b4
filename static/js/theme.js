// Sets the remembered theme and blinking before the first paint; the one script that is not a module.
(() => {
  const theme = localStorage.getItem("telara.theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
  if (localStorage.getItem("telara.blink") === "off") document.documentElement.dataset.blink = "off";
})();
