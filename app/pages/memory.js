/* What a tab remembers over a reload: what was chosen and set in each place, in its session storage, which ends with
   the tab. What is recalled may be of another version or session: who asks for it checks it. */
const key = (place) => `stemforge.${place}`;

export const recall = (place) => {
  try { return JSON.parse(sessionStorage.getItem(key(place))) ?? {}; } catch { return {}; }
};

export const remember = (place, values) => {
  try { sessionStorage.setItem(key(place), JSON.stringify({ ...recall(place), ...values })); } catch { /* not allowed, or full */ }
};
