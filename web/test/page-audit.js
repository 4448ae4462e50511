/** Runs in the tested page: measures contrast, overflow, the visibility of focus, and how far things jumped. Plain JavaScript, since it
 *  is put into the page as it stands. */
(() => {
  const canvas = document.createElement("canvas");
  canvas.width = 1;
  canvas.height = 1;
  const context = canvas.getContext("2d", { willReadFrequently: true });

  /** Any CSS colour as red, green, blue and alpha. */
  const rgba = (colour) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = context.getImageData(0, 0, 1, 1).data;
    return [red, green, blue, alpha / 255];
  };

  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];

  const luminance = ([red, green, blue]) => {
    const [r, g, b] = [red, green, blue].map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };

  const ratio = (one, other) => {
    const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  };

  const groundOf = (element) => {
    const layers = [];
    for (let at = element; at !== null; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] > 0) layers.push(colour);
      if (colour[3] === 1 || at.tagName === "DIALOG") break;
    }
    return layers.reduceRight((ground, layer) => over(layer, ground), [255, 255, 255, 1]);
  };

  const opacityOf = (element) => {
    let opacity = 1;
    for (let at = element; at !== null; at = at.parentElement) opacity *= Number(getComputedStyle(at).opacity);
    return opacity;
  };

  const shown = (element) => {
    const box = element.getBoundingClientRect();
    if (box.width < 2 || box.height < 2) return false;
    return element.checkVisibility({ opacityProperty: false, visibilityProperty: true });
  };

  const measure = (element, colour, words, found) => {
    const style = getComputedStyle(element);
    const opacity = opacityOf(element);
    if (opacity === 0) return;
    const ground = groundOf(element);
    const [r, g, b, a] = rgba(colour);
    const ink = over([r, g, b, a * opacity], ground);
    const size = Number.parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const reached = ratio(ink, ground);
    if (reached < (large ? 3 : 4.5) - 0.005) {
      found.push(`${reached.toFixed(2)}:1 "${words.trim().slice(0, 40)}" (${element.className || element.tagName})`);
    }
  };

  window.pageAudit = {
    /** Texts whose contrast is below AA. */
    contrast() {
      const found = [];
      const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
        const element = node.parentElement;
        if (node.data.trim() === "" || element === null || !shown(element)) continue;
        if (element.closest(".visually-hidden, :disabled, noscript, script, style, option") !== null) continue;
        const style = getComputedStyle(element);
        measure(element, element instanceof SVGElement ? style.fill : style.color, node.data, found);
      }
      for (const field of document.querySelectorAll("[placeholder]")) {
        if (shown(field) && field.value === "") {
          measure(field, getComputedStyle(field, "::placeholder").color, field.placeholder, found);
        }
      }
      return found;
    },

    /** What is wider than the window, though nothing scrolls sideways but code, tables and the like. */
    overflow() {
      const found = [];
      const width = document.documentElement.clientWidth;
      if (document.documentElement.scrollWidth > width) found.push(`the page: ${document.documentElement.scrollWidth}`);
      for (const element of document.querySelectorAll("body *")) {
        const style = getComputedStyle(element);
        const scrolls = element.scrollWidth > element.clientWidth + 1 && ["auto", "scroll"].includes(style.overflowX);
        if (!scrolls || element.closest("pre, table, .markdown-table, .source-lines, textarea, [role=tree]") !== null)
          continue;
        found.push(`${element.className || element.tagName}: ${element.scrollWidth} in ${element.clientWidth}`);
      }
      return found;
    },

    /** Where the focus is, and whether it can be seen there or on the frame around. */
    async focus() {
      const element = document.activeElement;
      if (element === null || element === document.body) return undefined;
      // What moves into view on focus, as the skip link does, may need some frames for it.
      for (let frame = 0; frame < 20 && element.getBoundingClientRect().bottom <= 0; frame++) {
        await new Promise((resolve) => requestAnimationFrame(resolve));
      }
      const frames = [
        element,
        element.closest(".composer"),
        element.closest(".segmented label"),
        element.closest(".qm-row"),
      ];
      const row = element.querySelector(":scope > .qm-row");
      const visible = [...frames, row].some((frame) => {
        if (frame === null) return false;
        const style = getComputedStyle(frame);
        return style.outlineStyle !== "none" && Number.parseFloat(style.outlineWidth) >= 1;
      });
      const box = element.getBoundingClientRect();
      const name = element.getAttribute("aria-label") ?? element.textContent?.trim().slice(0, 30) ?? "";
      return {
        name: `${element.tagName.toLowerCase()}.${element.getAttribute("class") ?? ""} ${name}`,
        visible,
        inside: box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth,
      };
    },

    /** Controls without a name for those who hear the page. */
    nameless() {
      const found = [];
      for (const element of document.querySelectorAll("button, a[href], input:not([hidden]), select, textarea")) {
        if (!shown(element)) continue;
        const labels = element.labels === undefined || element.labels === null ? [] : [...element.labels];
        const name = [
          element.getAttribute("aria-label"),
          element.getAttribute("aria-labelledby"),
          element.textContent,
          ...labels.map((label) => label.textContent),
        ].some((text) => (text ?? "").trim() !== "");
        if (!name) found.push(element.outerHTML.slice(0, 100));
      }
      return found;
    },

    shifts: [],
  };

  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (entry.hadRecentInput) continue;
      const what = entry.sources.map(({ node }) => node?.className ?? node?.nodeName ?? "").join(", ");
      window.pageAudit.shifts.push({ value: entry.value, what });
    }
  }).observe({ type: "layout-shift", buffered: true });
})();
