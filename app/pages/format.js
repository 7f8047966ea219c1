/* Numbers and names as a reader wants to see them. */

export const digits = (value, figures = 3) => {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e5 || size < 1e-3)) return value.toExponential(figures - 1);
  return String(Number(value.toPrecision(figures)));
};

/* With zeros at the end, which say how well a number is known; whole numbers as they are. */
export const figures = (value, number = 3) => {
  const plain = digits(value, number), padded = Number.isFinite(value) ? value.toPrecision(number) : "e";
  return Number.isInteger(value) || plain.includes("e") || padded.includes("e") ? plain : padded;
};

export const counted = (number, one, many = `${one}s`) => `${number} ${number === 1 ? one : many}`;

export const bytes = (number) => {
  for (const [unit, size] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) {
    if (number >= size) return `${digits(number / size, 2)} ${unit}`;
  }
  return `${number} bytes`;
};

/* The largest of 1, 2, 5 times a power of ten that is no larger: for scale bars and axes. */
export const round = (value) => {
  const power = 10 ** Math.floor(Math.log10(value));
  return [5, 2, 1].find((step) => step * power <= value * 1.0001) * power;
};

export const element = (name, settings = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(settings)) {
    if (key === "class") made.className = value;
    else if (key in made && key !== "list") made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
};

export const find = (id) => document.getElementById(id);

export const say = (target, text) => {
  target.textContent = text ?? "";
  target.hidden = !text;
};

/* The line below the page's head, which stays until it is closed; with a button, where `act` is given. */
export const notice = (text, label = "", act = null) => {
  const button = find("notice-act");
  find("notice").firstElementChild.textContent = text;
  say(button, label);
  button.onclick = act && (() => { notice(""); act(); });
  find("notice").hidden = !text;
};
