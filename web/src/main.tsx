import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
// First, so that the pages’ own styles come after.
import "./style/tokens.css";
import "./style/base.css";
import "./style/controls.css";
import "./style/layout.css";
import { App } from "./app/App.js";

const root = document.getElementById("root");
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
