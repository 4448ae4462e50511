/** Pointer, wheel, touch and keys on the canvas, as what they mean. */

export interface CanvasActions {
  pan(dx: number, dy: number): void;
  zoom(factor: number, px?: number, py?: number, smooth?: boolean): void;
  hover(px: number, py: number): void;
  leave(): void;
  press(px: number, py: number): void;
  /** To the topic above. */
  up(): void;
}

/** Further than this a press is a drag. */
const pressReach = 5;

export function listenToCanvas(canvas: HTMLCanvasElement, signal: AbortSignal, actions: CanvasActions): void {
  const held = new Map<number, { x: number; y: number }>();
  let moved = 0;
  const place = (event: { clientX: number; clientY: number }) => {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };

  canvas.addEventListener(
    "pointerdown",
    (event) => {
      canvas.setPointerCapture(event.pointerId);
      held.set(event.pointerId, place(event));
      if (held.size === 1) moved = 0;
    },
    { signal },
  );
  canvas.addEventListener(
    "pointermove",
    (event) => {
      const now = place(event);
      const before = held.get(event.pointerId);
      if (before === undefined) {
        if (event.pointerType !== "touch") actions.hover(now.x, now.y);
        return;
      }
      const other = [...held].find(([id]) => id !== event.pointerId)?.[1];
      const [dx, dy] = [now.x - before.x, now.y - before.y];
      moved += Math.hypot(dx, dy);
      if (other !== undefined) {
        const far = Math.hypot(before.x - other.x, before.y - other.y);
        const near = Math.hypot(now.x - other.x, now.y - other.y);
        if (far > 0 && near > 0) actions.zoom(near / far, (now.x + other.x) / 2, (now.y + other.y) / 2);
        actions.pan(dx / 2, dy / 2);
      } else if (moved > pressReach) actions.pan(dx, dy);
      held.set(event.pointerId, now);
    },
    { signal },
  );
  const release = (event: PointerEvent) => {
    if (held.delete(event.pointerId) && held.size === 0 && moved <= pressReach && event.type === "pointerup") {
      const { x, y } = place(event);
      actions.press(x, y);
    }
  };
  canvas.addEventListener("pointerup", release, { signal });
  canvas.addEventListener("pointercancel", release, { signal });
  canvas.addEventListener("pointerleave", () => actions.leave(), { signal });
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const { x, y } = place(event);
      const unit = event.deltaMode === 1 ? 20 : event.deltaMode === 2 ? 200 : 1;
      const amount = Math.max(-200, Math.min(200, event.deltaY * unit)) * (event.ctrlKey ? 4 : 1);
      actions.zoom(Math.exp(-amount * 0.0022), x, y);
    },
    { signal, passive: false },
  );
  canvas.addEventListener(
    "keydown",
    (event) => {
      const step = 80;
      const keys = new Map<string, () => void>([
        ["ArrowLeft", () => actions.pan(step, 0)],
        ["ArrowRight", () => actions.pan(-step, 0)],
        ["ArrowUp", () => actions.pan(0, step)],
        ["ArrowDown", () => actions.pan(0, -step)],
        ["+", () => actions.zoom(1.5, undefined, undefined, true)],
        ["=", () => actions.zoom(1.5, undefined, undefined, true)],
        ["-", () => actions.zoom(1 / 1.5, undefined, undefined, true)],
        ["Escape", () => actions.up()],
        ["Enter", () => actions.press(canvas.clientWidth / 2, canvas.clientHeight / 2)],
      ]);
      const act = keys.get(event.key);
      if (act === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      act();
    },
    { signal },
  );
}
