/* Dark, light or as the system has it: set before the page is drawn, so that it does not flash. */
const THEMES = ["system", "light", "dark"];
const kept = () => { try { return localStorage.getItem("stemforge.theme"); } catch { return null; } };
const setTheme = (theme) => {
  document.documentElement.dataset.theme = theme;
  try { localStorage.setItem("stemforge.theme", theme); } catch { /* private windows keep nothing */ }
};
document.documentElement.dataset.theme = THEMES.includes(kept()) ? kept() : "system";

addEventListener("DOMContentLoaded", () => {
  const button = document.getElementById("theme-button");
  const words = { system: ["◐", "Colours as the system has them"], light: ["☀", "Light colours"], dark: ["☾", "Dark colours"] };
  const show = () => {
    const [sign, text] = words[document.documentElement.dataset.theme];
    button.textContent = sign;
    button.title = `${text}; press for the next`;
    button.setAttribute("aria-label", button.title);
  };
  button.addEventListener("click", () => {
    const now = THEMES.indexOf(document.documentElement.dataset.theme);
    setTheme(THEMES[(now + 1) % THEMES.length]);
    show();
    dispatchEvent(new Event("theme"));
  });
  show();
});
