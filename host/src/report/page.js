"use strict";
// Tables sort by the column whose head is pressed; a second time the other way round.
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.parentElement;
    const column = head.cellIndex;
    const body = head.closest("table").tBodies[0];
    const down = head.getAttribute("aria-sort") !== "descending";
    for (const other of head.parentElement.cells) {
      other.setAttribute("aria-sort", "none");
    }
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = (row) => {
      const cell = row.cells[column];
      return "value" in cell.dataset ? Number(cell.dataset.value) : cell.textContent;
    };
    const compare = (a, b) => {
      const [x, y] = [key(a), key(b)];
      const numbers = typeof x === "number" && typeof y === "number";
      return numbers ? x - y : String(x).localeCompare(String(y), undefined, { numeric: true });
    };
    const rows = [...body.rows].sort(compare);
    if (down) {
      rows.reverse();
    }
    body.append(...rows);
  });
}
