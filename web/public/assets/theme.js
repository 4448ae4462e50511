// Runs before the first paint, so that a chosen theme does not flash the other one.
try {
  const chosen = JSON.parse(localStorage.getItem("quire.preferences") ?? "{}").theme;
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
} catch {}
