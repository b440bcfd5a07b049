// The painter's keys, beside those of its stage.

export const KEYS = "Arrow keys move the cursor, with Shift faster. Space or Enter begins and ends a stroke, Escape drops it. "
  + "B brush, E eraser, L lasso, H move, square brackets size, I invert, plus and minus zoom, 0 fit, "
  + "Control Z undo, Control Shift Z redo.";

export function press(painter, event) {
  if (event.target.closest("textarea, select, input[type=number]")) return;
  const { mask, stage } = painter;
  const plain = {
    b: () => painter.setTool("brush"),
    e: () => painter.setTool("erase"),
    l: () => painter.setTool("lasso"),
    h: () => painter.setTool("hand"),
    i: () => mask.add({ kind: "invert" }),
    "[": () => painter.resize(0.8),
    "]": () => painter.resize(1.25),
    "+": () => stage.zoom(1.25),
    "=": () => stage.zoom(1.25),
    "-": () => stage.zoom(0.8),
    0: () => stage.fit(),
  };
  const withCommand = { z: () => (event.shiftKey ? mask.redo() : mask.undo()), y: () => mask.redo() };
  const act = (event.ctrlKey || event.metaKey ? withCommand : plain)[event.key.toLowerCase()];
  if (!act || event.altKey || (painter.mode !== "paint" && !"+=-0".includes(event.key))) return;
  event.preventDefault();
  act();
}
